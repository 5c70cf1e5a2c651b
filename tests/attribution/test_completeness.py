"""Whether maps add up to what they explain."""

import pytest
import torch

from cxrshort.attribution.completeness import completeness
from cxrshort.attribution.expected_gradients import EXPECTED_GRADIENTS, ExpectedGradientsSettings
from cxrshort.attribution.gradient import GRADIENT
from cxrshort.attribution.integrated_gradients import INTEGRATED_GRADIENTS, IntegratedGradientsSettings
from cxrshort.errors import UsageError

from .path_models import draw, generators, network

OUTPUTS = torch.tensor([0, 1, 0])


@pytest.mark.parametrize("kind", ["black", "mean"])
def test_integrated_gradients_add_up_to_the_difference_from_their_baseline(kind: str) -> None:
    model, images, settings = network(), draw(3), IntegratedGradientsSettings(400, baseline=kind)
    maps = INTEGRATED_GRADIENTS(model, images, OUTPUTS, settings=settings)
    found = completeness(
        INTEGRATED_GRADIENTS, model.train(), images, OUTPUTS, maps=maps, settings=settings, batch_size=2
    )
    start = torch.zeros_like(images) if kind == "black" else images.mean((1, 2, 3), keepdim=True).expand_as(images)
    expected = (model(images) - model(start)).gather(1, OUTPUTS[:, None])[:, 0]
    torch.testing.assert_close(found.differences, expected.detach().float())
    torch.testing.assert_close(found.sums, maps.sum((1, 2)))
    torch.testing.assert_close(found.errors, found.sums - found.differences, rtol=0, atol=1e-6)
    assert float(found.errors.abs().max()) < 1e-3 < float(found.differences.abs().min())
    assert model.training


def test_expected_gradients_add_up_to_the_difference_from_the_mean_of_the_references() -> None:
    model, images, references = network(), draw(3), draw(5, seed=1)
    maps = EXPECTED_GRADIENTS(
        model,
        images,
        OUTPUTS,
        settings=ExpectedGradientsSettings(500),
        references=references,
        generators=generators(3),
    )
    found = completeness(EXPECTED_GRADIENTS, model, images, OUTPUTS, maps=maps, references=references)
    expected = model(images).gather(1, OUTPUTS[:, None])[:, 0] - model(references).mean(0)[OUTPUTS]
    torch.testing.assert_close(found.differences, expected.detach().float())
    assert float(found.errors.abs().max()) < 0.01
    wrong = completeness(EXPECTED_GRADIENTS, model, images, OUTPUTS, maps=maps + 0.1, references=references)
    torch.testing.assert_close(wrong.errors - found.errors, torch.full((3,), 3.6), rtol=1e-4, atol=1e-4)


def test_methods_whose_maps_add_up_to_nothing_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        completeness(GRADIENT, network(), draw(3), OUTPUTS, maps=torch.zeros(3, 6, 6))
    assert caught.value.message == "maps of 'gradient' add up to no difference of logits"
