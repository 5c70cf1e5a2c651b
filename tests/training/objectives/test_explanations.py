"""Each explanation against its attribution method, and how often each output is explained."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrshort.attribution import METHODS, grad_cam
from cxrshort.attribution.contract import AttributionMethod
from cxrshort.attribution.lrp import LRPSettings
from cxrshort.errors import UsageError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.registry import load_entry
from cxrshort.training.objectives.explanations import EXPLANATIONS, Explanation, choose_outputs

OUTPUTS = torch.tensor([2, 0, 1])


@pytest.fixture(scope="module")
def model() -> Classifier:
    """Return a network in eval mode, whose running statistics and last layer are not those of its start."""
    description = Description("classifier", "small-cnn", ("A", "B", "C"), InputSpec(size=32))
    network = factory.build_model(description, seed=3)
    with torch.no_grad():
        network.train()(images(seed=5))
        list(network.modules())[-1].weight.copy_(torch.randn(3, 128, generator=torch.Generator().manual_seed(1)))
    return network.eval()


def images(*, seed: int = 0) -> Tensor:
    return torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(seed))


def method(name: str) -> AttributionMethod:
    loaded: AttributionMethod = load_entry(METHODS, name, kind="attribution method")
    return loaded


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("kind", ["lrp", "gradient", "gradient-x-input"])
def test_map_is_that_of_the_attribution_method(model: Classifier, kind: str, learning: bool) -> None:
    maps, logits = Explanation(kind, epsilon=0.03).explain(model, images(), outputs=OUTPUTS, learning=learning)
    settings = LRPSettings(epsilon=0.03) if kind == "lrp" else None
    expected = method(kind)(model, images(), OUTPUTS, settings=settings)
    torch.testing.assert_close(maps.sum(1), expected, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(logits, model(images()))
    assert maps.requires_grad == logits.requires_grad == learning


@pytest.mark.parametrize("learning", [False, True])
def test_grad_cam_is_the_positive_part_of_its_attribution_method(model: Classifier, learning: bool) -> None:
    maps, logits = Explanation("grad-cam").explain(model, images(), outputs=OUTPUTS, learning=learning)
    signed = grad_cam.weighted_activations(model, images().requires_grad_(), outputs=OUTPUTS).maps.detach()
    expected = method("grad-cam")(model, images(), OUTPUTS)
    torch.testing.assert_close(grad_cam.in_picture(signed, model, images())[:, 0], expected)
    torch.testing.assert_close(maps, signed.relu())
    torch.testing.assert_close(logits, model(images()))
    assert bool((signed < 0).any()) and bool((maps > 0).any())
    assert maps.requires_grad == logits.requires_grad == learning


@pytest.mark.parametrize("learning", [False, True])
def test_attention_is_the_squared_last_map_summed_over_channels(model: Classifier, learning: bool) -> None:
    maps, logits = Explanation("attention").explain(model, images(), outputs=OUTPUTS, learning=learning)
    layers = model.network
    assert isinstance(layers, nn.Sequential)
    expected = (layers[:-3](model.normalise(images())) ** 2).sum(1, keepdim=True)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(logits, model(images()))
    assert maps.shape == (3, 1, 2, 2) and maps.requires_grad == logits.requires_grad == learning


@pytest.mark.parametrize("kind", EXPLANATIONS)
def test_frozen_network_is_explained_and_left_as_it_was(model: Classifier, kind: str) -> None:
    expected, _ = Explanation(kind).explain(model, images(), outputs=OUTPUTS, learning=False)
    model.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        maps, _ = Explanation(kind).explain(model, images(), outputs=OUTPUTS, learning=False)
    model.requires_grad_()
    torch.testing.assert_close(maps, expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("kind", EXPLANATIONS)
def test_map_is_made_in_fp32_under_autocast(model: Classifier, kind: str) -> None:
    expected = Explanation(kind).explain(model, images(), outputs=OUTPUTS, learning=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = Explanation(kind).explain(model, images(), outputs=OUTPUTS, learning=True)
    for own, other in zip(actual, expected, strict=True):
        assert own.dtype == torch.float32 and torch.equal(own, other)


@pytest.mark.parametrize("kind", EXPLANATIONS)
def test_gradient_of_maps_and_logits_reaches_the_first_layer(model: Classifier, kind: str) -> None:
    maps, logits = Explanation(kind).explain(model, images(), outputs=OUTPUTS, learning=True)
    first = next(model.network.parameters())
    for values in (maps, logits):
        (slopes,) = torch.autograd.grad((values**2).sum(), first, retain_graph=True)
        assert bool(torch.isfinite(slopes).all()) and float(slopes.abs().max()) > 0


@pytest.mark.parametrize("kind", [kind for kind in EXPLANATIONS if kind != "attention"])
def test_outputs_are_chosen_once_by_the_logits(model: Classifier, kind: str) -> None:
    asked = []

    def lowest(logits: Tensor) -> Tensor:
        asked.append(logits)
        return logits.argmin(1)

    maps, logits = Explanation(kind).explain(model, images(), outputs=lowest, learning=False)
    assert len(asked) == 1 and not asked[0].requires_grad
    expected, _ = Explanation(kind).explain(model, images(), outputs=logits.argmin(1), learning=False)
    assert torch.equal(maps, expected)


@pytest.mark.parametrize(("kind", "name"), [("attention", "attention"), ("grad-cam", "grad-cam")])
def test_network_without_a_convolutional_map_is_refused(kind: str, name: str) -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(UsageError) as caught:
        Explanation(kind).explain(flat, torch.rand(1, 1, 2, 2), outputs=torch.tensor([0]), learning=False)
    assert caught.value.message == (
        f"'{name}' needs a convolutional map of more than one pixel, and this network has none"
    )


# Which output is explained.
def counts(outputs: int, *, images: int = 4000, choose: Callable[[Tensor, Tensor], Tensor] = choose_outputs) -> Tensor:
    """Return how often each output is explained where output 1, or the only one, has the highest logit."""
    logits = torch.zeros(images, outputs)
    logits[:, min(1, outputs - 1)] = 3.0
    draws = torch.rand(images, outputs + 1, generator=torch.Generator().manual_seed(outputs))
    return choose(logits, draws).bincount(minlength=outputs)


@pytest.mark.parametrize("outputs", [2, 3, 5])
def test_highest_output_is_explained_in_half_of_the_images_and_the_others_alike(outputs: int) -> None:
    actual = counts(outputs).numpy()
    expected = np.full(outputs, 0.5 / (outputs - 1))
    expected[1] = 0.5
    # 4.5 standard deviations of a binomial count
    assert (np.abs(actual - 4000 * expected) < 4.5 * np.sqrt(4000 * expected * (1 - expected))).all()


def test_only_output_is_always_explained() -> None:
    assert counts(1).tolist() == [4000]


def test_other_of_two_outputs_is_explained_whatever_its_draw() -> None:
    logits = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    draws = torch.tensor([[0.5, 0.0, 0.99], [0.49, 0.99, 0.0]])
    assert choose_outputs(logits, draws).tolist() == [0, 0]
