"""What the logit loses when a patch is covered."""

import pytest
import torch
from captum.attr import Occlusion
from torch import Tensor, nn

from cxrshort.attribution.occlusion import OCCLUSION, OcclusionSettings, covered_places, patch_starts

from .path_models import draw, network

OUTPUTS = torch.tensor([0, 1, 0])


@pytest.mark.parametrize("fill", ["black", "mean"])
@pytest.mark.parametrize("stride", [0.5, 1.0])
def test_maps_are_those_of_captum_per_pixel_of_the_patch(fill: str, stride: float) -> None:
    images, model = draw(3), network()
    settings = OcclusionSettings(patch=1 / 3, stride=stride, fill=fill)
    for number in range(3):
        image = images[number : number + 1]
        expected = Occlusion(model).attribute(
            image,
            sliding_window_shapes=(1, 2, 2),
            strides=(1, round(2 * stride), round(2 * stride)),
            baselines=float(image.mean()) if fill == "mean" else 0,
            target=int(OUTPUTS[number]),
        )
        found = OCCLUSION(model, image, OUTPUTS[number : number + 1], settings=settings)
        torch.testing.assert_close(found, expected[:, 0].float() / 4, rtol=1e-5, atol=1e-7)


def test_maps_are_the_mean_over_patches_of_the_loss_per_pixel() -> None:
    """On sides that the patches do not divide, patch by patch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(2 * 7 * 10, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    images = torch.rand(2, 2, 7, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    settings = OcclusionSettings(patch=3 / 7, stride=0.5)
    sums, counts = torch.zeros(2, 7, 10, dtype=torch.float64), torch.zeros(7, 10)
    for top in (0, 2, 4):
        for left in (0, 2, 4, 6, 7):
            covered = images.clone()
            covered[:, :, top : top + 3, left : left + 3] = images.mean((2, 3))[:, :, None, None]
            losses = (model(images) - model(covered)).detach()[[0, 1], [1, 0]]
            sums[:, top : top + 3, left : left + 3] += losses[:, None, None] / 9
            counts[top : top + 3, left : left + 3] += 1
    found = OCCLUSION(model, images, torch.tensor([1, 0]), settings=settings, batch_size=7)
    torch.testing.assert_close(found, (sums / counts).float())


def test_maps_of_a_linear_model_add_up_where_patches_do_not_overlap() -> None:
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).double(), draw(3)
    found = OCCLUSION(model, images, OUTPUTS, settings=OcclusionSettings(patch=0.5, stride=1, fill="black"))
    expected = model(images).gather(1, OUTPUTS[:, None])[:, 0] - model[1].bias[OUTPUTS]
    torch.testing.assert_close(found.sum((1, 2)), expected.detach().float())


def test_any_function_of_images_is_explained() -> None:
    class Counted(nn.Module):
        """What no gradient reaches: a number of bright pixels, made outside torch."""

        def forward(self, images: Tensor) -> Tensor:
            assert not torch.is_grad_enabled() and not images.requires_grad
            return torch.from_numpy((images.numpy() > 0.5).sum((1, 2, 3))[:, None].astype("float64"))

    images = torch.zeros(1, 1, 4, 4)
    images[0, 0, 1, 2] = 1
    found = OCCLUSION(Counted(), images, torch.tensor([0]), settings=OcclusionSettings(patch=0.25))
    assert found[0].nonzero().tolist() == [[1, 2]] and found.sum() == 1


def test_patches_cover_an_axis_to_its_end() -> None:
    assert patch_starts(9, side=3, stride=3).tolist() == [0, 3, 6]
    assert patch_starts(3, side=3, stride=1).tolist() == [0]
    assert covered_places(torch.tensor([0, 1]), side=2, length=3).tolist() == [[True, True, False], [False, True, True]]
