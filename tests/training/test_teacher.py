"""What a teacher sees, and what a co-training is made of."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrshort.errors import UsageError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.people import count_people, hash_people
from cxrshort.training.teacher import (
    CoTraining,
    Teacher,
    last_layer,
    student_and_teacher,
    taught_description,
    teacher_view,
    view_channels,
)

DESCRIPTION = Description("classifier", "small-cnn", ("A", "B"), InputSpec(size=16))


@pytest.fixture
def network() -> Classifier:
    return factory.build_model(DESCRIPTION, seed=1)


def images(count: int = 4, size: int = 16, channels: int = 1) -> Tensor:
    """Return images without a pixel below 0.25, which noise has in every fourth place."""
    generator = torch.Generator().manual_seed(0)
    return 0.25 + 0.75 * torch.rand(count, channels, size, size, generator=generator)


def masks(count: int = 4, size: int = 16) -> Tensor:
    mask = torch.zeros(count, 1, size, size)
    mask[..., : size // 2] = 1.0
    return mask


def test_whole_image_is_seen_as_it_is(network: Classifier) -> None:
    for mask, background in ((masks(), "none"), (None, "noise"), (None, "black")):
        seen = teacher_view(images(), mask, background=background, network=network)
        assert torch.equal(seen, images())


@pytest.mark.parametrize("background", ["noise", "black"])
def test_foreground_is_kept_in_every_channel_of_the_network(network: Classifier, background: str) -> None:
    seen = teacher_view(images(), masks(), background=background, network=network)
    assert seen.shape == (4, 3, 16, 16)
    assert torch.equal(seen[..., :8], images()[..., :8].expand(-1, 3, -1, -1))
    assert not (seen[..., 8:] == images()[..., 8:]).any()


def test_black_background_is_0(network: Classifier) -> None:
    assert not teacher_view(images(), masks(), background="black", network=network)[..., 8:].any()


def test_noise_is_uniform_and_of_each_pixel_channel_and_image(network: Classifier) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        seen = teacher_view(images(8, 64), masks(8, 64), background="noise", network=network)[..., 32:]
    values = seen.flatten().numpy()
    assert len(np.unique(values)) > 0.99 * values.size  # none is a copy of another
    assert 0 <= values.min() and values.max() < 1
    counts, _ = np.histogram(values, bins=10, range=(0, 1))
    # 4.5 standard deviations of a count of one in ten
    assert (np.abs(counts - values.size / 10) < 4.5 * np.sqrt(values.size * 0.09)).all()
    channels = np.corrcoef(seen.transpose(0, 1).flatten(1).numpy())
    assert np.abs(channels - np.eye(3)).max() < 4.5 / np.sqrt(values.size / 3)


def test_noise_is_fresh_at_every_look_and_a_function_of_the_generator(network: Classifier) -> None:
    with torch.random.fork_rng(devices=[]):
        seen = []
        for seed in (5, 5, 6):
            torch.manual_seed(seed)
            seen += [teacher_view(images(), masks(), background="noise", network=network) for _ in range(2)]
    assert torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3])
    assert not torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[4])


def test_view_has_as_many_channels_as_the_network_or_the_images_where_they_have_more() -> None:
    grey = factory.build_model(Description("classifier", "small-cnn", ("A",), InputSpec(16)), seed=0)
    grey.spec = InputSpec(16, channels=1)
    assert [view_channels(grey, count) for count in (1, 3)] == [1, 3]
    assert [view_channels(nn.Identity(), count) for count in (1, 3)] == [1, 3]
    assert teacher_view(images(channels=3), masks(), background="noise", network=grey).shape[1] == 3


def test_last_layer_is_the_linear_one_that_the_architecture_names(network: Classifier) -> None:
    assert last_layer(network, DESCRIPTION) is list(network.modules())[-1]
    assert Teacher(network, DESCRIPTION).last_layer is last_layer(network, DESCRIPTION)


@pytest.mark.parametrize(
    "description",
    [
        None,
        Description("pipeline", "small-cnn", ("A", "B"), InputSpec(16)),
        Description("classifier", "", ("A", "B"), InputSpec(16)),
        Description("classifier", "py:my.networks:make", ("A", "B"), InputSpec(16)),
        Description("classifier", "no-such-network", ("A", "B"), InputSpec(16)),
        Description("classifier", "densenet121", ("A", "B"), InputSpec(16)),
    ],
)
def test_last_layer_is_unknown_where_nothing_names_it(network: Classifier, description: Description | None) -> None:
    assert Teacher(network, description).last_layer is None


def test_last_layer_of_a_network_that_is_no_classifier_is_unknown() -> None:
    assert Teacher(nn.Linear(2, 2), DESCRIPTION).last_layer is None


def test_student_has_seen_the_persons_of_its_teacher_too() -> None:
    student = Description("classifier", "a", ("A",), InputSpec(16), training_people=hash_people(["p/1", "p/2"]))
    taught = Description("classifier", "b", ("A",), InputSpec(16), training_people=hash_people(["p/2", "p/3"]))
    merged = taught_description(student, Teacher(nn.Identity(), taught, training="abc"))
    assert count_people(merged.training_people, ["p/1", "p/2", "p/3", "p/4"]) == 3
    assert merged.recipe == {"teacher": "training:abc"}
    alone = taught_description(student, Teacher(nn.Identity()))
    assert count_people(alone.training_people, ["p/1", "p/2", "p/3"]) == 2


def test_co_trained_teacher_learns_in_evaluation_mode(network: Classifier) -> None:
    teacher = factory.build_model(DESCRIPTION, seed=2).requires_grad_(False)
    both = CoTraining(network, teacher)
    for mode in (True, False, True):
        both.train(mode)
        assert both.student.training == mode and not any(module.training for module in teacher.modules())
    assert all(parameter.requires_grad for parameter in both.parameters())
    before = {name: value.clone() for name, value in teacher.named_buffers()}
    (both(images()) + both.teacher(images())).sum().backward()
    assert all(parameter.grad is not None for parameter in both.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.named_buffers())
    both.eval()
    assert torch.equal(both(images()), network(images()))


def test_networks_of_a_step_are_the_student_and_what_it_learns_from(network: Classifier) -> None:
    frozen, learning = nn.Identity(), factory.build_model(DESCRIPTION, seed=2)
    assert student_and_teacher(network, frozen) == (network, frozen)
    both = CoTraining(network, learning)
    assert student_and_teacher(both, frozen) == (network, learning)
    with pytest.raises(UsageError) as caught:
        student_and_teacher(network, None)
    assert caught.value.message == "the method learns from a teacher, and there is none"
    assert caught.value.hint == "cxrshort tea-distill --teacher MODEL"
