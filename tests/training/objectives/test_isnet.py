from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from cxrshort.attribution import lrp
from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.isnet import ISNet, ISNetSettings, background_loss, foreground_loss, ranked_pool
from cxrshort.training.objectives.target_sampling import sample_outputs

from .by_hand import batch, convolutional

MAPS = torch.rand(3, 2, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
MASKS = (torch.rand(3, 1, 5, 4, generator=torch.Generator().manual_seed(2)) < 0.4).double()


def gradient(model: nn.Module, images: Tensor, outputs: Tensor) -> Tensor:
    images = images.clone().requires_grad_()
    return torch.autograd.grad(model(images)[range(len(images)), outputs].sum(), images)[0]


def pixels_times_gradient(model: nn.Module, images: Tensor, outputs: Tensor) -> Tensor:
    return images * gradient(model, images, outputs)


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9, 1.0])
def test_ranked_pool_equals_a_loop_over_ranks(decay: float) -> None:
    for image, row in zip(MAPS, ranked_pool(MAPS, decay=decay), strict=True):
        for channel, actual in zip(image, row, strict=True):
            ordered = sorted(channel.flatten().tolist(), reverse=True)
            weights = [decay**rank for rank in range(len(ordered))]
            expected = sum(w * v for w, v in zip(weights, ordered, strict=True)) / sum(weights)
            assert float(actual) == pytest.approx(expected, rel=1e-12)


def test_ranked_pool_is_maximum_at_0_and_mean_at_1() -> None:
    torch.testing.assert_close(ranked_pool(MAPS, decay=0.0), MAPS.amax((2, 3)))
    torch.testing.assert_close(ranked_pool(MAPS, decay=1.0), MAPS.mean((2, 3)))


def test_background_loss_equals_its_formula() -> None:
    actual = background_loss(MAPS, MASKS, decay=0.8)
    for image, mask, value in zip(MAPS.numpy(), MASKS.numpy(), actual, strict=True):
        inside = np.broadcast_to(mask, image.shape) == 1
        relative = np.where(inside, 0, image / (image[inside].mean() + 1e-10))
        expected = []
        for channel in relative:
            ordered = np.sort(channel.ravel())[::-1]
            weights = 0.8 ** np.arange(ordered.size)
            pooled = (ordered * weights).sum() / weights.sum()
            expected.append(-np.log(1 - pooled / (pooled + 1)))
        assert float(value) == pytest.approx(np.mean(expected), rel=1e-12)


def test_background_loss_is_zero_for_evidence_inside_and_does_not_depend_on_scale() -> None:
    torch.testing.assert_close(background_loss(MAPS * MASKS, MASKS, decay=0.9), torch.zeros(3, dtype=torch.float64))
    scaled = background_loss(1000 * MAPS, MASKS, decay=0.9)
    torch.testing.assert_close(scaled, background_loss(MAPS, MASKS, decay=0.9), rtol=1e-8, atol=0)


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (0.0, 1.0),  # (0 - 1)^2
        (1.0, 0.25),  # (1/2 - 1)^2
        (2.0, 0.0),
        (5.0, 0.0),
        (6.0, 0.0),
        (7.0, 0.25),  # (7/2 - 6/2)^2
        (8.0, 1.0),
        (8.5, 1.5),  # |8.5 - 8| + 1, beyond C1 + C2
        (100.0, 93.0),
    ],
)
def test_foreground_loss_equals_its_formula(total: float, expected: float) -> None:
    maps, masks = torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    maps[0, 0, 0] = total / 2
    maps[0, 0, 1] = 55.0  # the background has no say
    assert float(foreground_loss(maps, masks, lowest=2.0, highest=6.0)[0]) == pytest.approx(expected)


def test_isnet_loss_is_put_together_from_its_parts() -> None:
    model, samples = convolutional(outputs=2), batch([[1.0, 0.0], [0.0, 1.0]], masked=True, size=8)
    settings = ISNetSettings(share=0.4, background=2.0, inside=0.5, lowest=0.01, highest=0.2, decay=0.7)
    loss = ISNet(settings)(model, samples)
    outputs = sample_outputs(Task(), samples, seed=0)
    maps = lrp.relevance(model, samples.images, outputs=outputs, epsilon=0.01, first_layer="box").abs()
    outside = background_loss(maps, samples.masks, decay=0.7)
    inside = foreground_loss(maps, samples.masks, lowest=0.01, highest=0.2)
    plain = nn.functional.binary_cross_entropy_with_logits(model(samples.images), samples.targets)
    torch.testing.assert_close(loss, 0.6 * plain + 0.4 * (2.0 * outside + 0.5 * inside).mean())


@pytest.mark.parametrize(("name", "explain"), [("gradient", gradient), ("gradient-x-input", pixels_times_gradient)])
def test_isnet_takes_its_maps_from_another_method(name: str, explain: Callable[..., Tensor]) -> None:
    model, samples = convolutional(outputs=2), batch([[1.0, 0.0], [0.0, 1.0]], masked=True, size=8)
    loss = ISNet(ISNetSettings(share=1.0, attribution=name, lowest=0.01, highest=0.2))(model, samples)
    maps = explain(model, samples.images, sample_outputs(Task(), samples, seed=0)).abs()
    expected = background_loss(maps, samples.masks, decay=0.9)
    expected += foreground_loss(maps, samples.masks, lowest=0.01, highest=0.2)
    torch.testing.assert_close(loss, expected.mean())
    loss.backward()
    assert float(model[0].weight.grad.abs().sum()) > 0


def test_isnet_learns_a_vision_transformer_by_its_relevance() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = VisionTransformer(8, 4, 1, 2, 8, 8, num_classes=2)
        model.heads.head.reset_parameters()  # torchvision's is 0
    samples = batch([[1.0, 0.0], [0.0, 1.0]], masked=True, size=8)
    samples = samples._replace(images=samples.images.expand(-1, 3, -1, -1).float())
    objective = ISNet(ISNetSettings(share=1.0, first_layer="epsilon", lowest=1e-3, highest=0.1))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = objective(model, samples)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_warm_up_epochs_learn_the_labels_and_estimate_the_bounds() -> None:
    model = convolutional(outputs=2)
    objective = ISNet(ISNetSettings(warm_up_epochs=3))
    totals: list[float] = []
    for epoch in range(3):
        for step, count in enumerate((4, 2, 3)):
            samples = batch([[1.0, 0.0]] * count, masked=True, size=8, epoch=epoch)._replace(step=step)
            samples = samples._replace(images=samples.images * (step + 1))
            plain = nn.functional.binary_cross_entropy_with_logits(model(samples.images), samples.targets)
            torch.testing.assert_close(objective(model, samples), plain)
            if epoch == 2:
                totals += totals_of(model, samples.images, sample_outputs(Task(), samples, seed=0))
    mean, deviation = np.mean(totals), np.std(totals)
    lowest = max(mean / 5, mean - 3 * deviation)
    assert objective.bounds() == pytest.approx((lowest, min(25 * lowest, mean + 3 * deviation)), rel=1e-5)


def totals_of(model: nn.Module, images: Tensor, outputs: Tensor) -> list[float]:
    maps = lrp.relevance(model, images, outputs=outputs, epsilon=0.01, first_layer="box")
    actual: list[float] = maps.abs().sum((1, 2, 3)).tolist()
    return actual


def test_image_without_foreground_adds_no_explanation_loss() -> None:
    model, samples = convolutional(), batch([[1.0], [0.0]], masked=True, size=8)
    settings = ISNetSettings(share=1.0, lowest=0.01, highest=0.1)
    both = ISNet(settings)
    empty = samples.masks.clone()
    empty[1] = 0
    alone = samples._replace(images=samples.images[:1], targets=samples.targets[:1], masks=samples.masks[:1])
    torch.testing.assert_close(both(model, samples._replace(masks=empty)), both(model, alone))


def test_every_output_is_explained_at_times() -> None:
    samples = batch([[1.0, 0.0, 1.0]] * 60)
    assert set(sample_outputs(Task(), samples, seed=0).tolist()) == {0, 1, 2}
    assert not torch.equal(sample_outputs(Task(), samples, seed=0), sample_outputs(Task(), samples, seed=1))


def test_isnet_refuses_what_it_cannot_learn() -> None:
    for settings, message in (
        ({"share": 1.5}, "the share of isnet is '1.5', it must be from 0 to 1"),
        ({"decay": -0.1}, "the decay of isnet is '-0.1', it must be from 0 to 1"),
        ({"lowest": 2.0, "highest": 1.0}, "isnet needs 0 <= C1 <= C2, not '2.0' and '1.0'"),
        ({"bn": "batch"}, "'batch' is not a known rule for batch norm"),
        ({"attribution": "lpr"}, "'lpr' is not a known attribution method"),
        ({"epsilon": -1.0}, "the epsilon of lrp is '-1', it must be 0 or more"),
        (
            {"attribution": "gradient", "epsilon": 0.1},
            "epsilon and first_layer are settings of lrp, not of 'gradient'",
        ),
        ({"warm_up_epochs": 0}, "isnet estimates C1 and C2 in its warm-up epochs, and has none"),
    ):
        with pytest.raises(UsageError) as caught:
            ISNetSettings(**settings)
        assert caught.value.message == message
    with pytest.raises(UsageError) as caught:
        ISNet()(convolutional(), batch([[1.0], [0.0]], masked=True, size=8))
    assert caught.value.message == "isnet has seen no relevance in its warm-up epochs"
    with pytest.raises(UsageError) as caught:
        ISNet(ISNetSettings(attribution="grad-cam"))
    assert caught.value.message == "isnet cannot learn from the maps of 'grad-cam'"
    with pytest.raises(UsageError) as caught:
        ISNet(task=Task("masks"))
    assert caught.value.message == "'isnet' needs labels or classes, not masks"
