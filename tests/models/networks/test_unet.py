import pytest
import torch

from cxrshort.models import ARCHITECTURES
from cxrshort.models.classifier import Classifier, default_spec
from cxrshort.models.networks.unet import MULTITASK_UNET, MULTITASK_UNET_SMALL, UNET, UNET_SMALL, MultitaskUNet, UNet
from cxrshort.models.sources.architectures import count_parameters, find_architecture


def expected_parameters(width: int, masks: int) -> int:
    widths = [width * 2**level for level in range(5)]
    block = lambda before, after: 9 * before * after + 9 * after * after + 4 * after  # noqa: E731
    down = sum(block(before, after) for before, after in zip([3, *widths], widths, strict=False))
    up = sum(4 * 2 * w * w + w + block(2 * w, w) for w in widths[:-1])
    return down + up + (width + 1) * masks


def test_unet_has_the_parameters_of_its_levels():
    assert count_parameters(UNET, 1) == expected_parameters(64, 1) == 31_037_633
    assert count_parameters(UNET_SMALL, 2) == expected_parameters(16, 2)


@pytest.mark.parametrize("shape", [(16, 16), (32, 48), (17, 40), (33, 1), (5, 63)])
def test_masks_are_as_large_as_the_image(shape):
    network = UNet(2, channels=1, width=2).eval()
    assert network(torch.rand(3, 1, *shape)).shape == (3, 2, *shape)


def test_padding_is_the_same_as_a_border_of_zeros():
    network = UNet(1, width=2).eval()
    images = torch.rand(1, 3, 30, 21, generator=torch.Generator().manual_seed(0))
    framed = torch.zeros(1, 3, 32, 32)
    framed[..., :30, :21] = images
    assert torch.equal(network(images), network(framed)[..., :30, :21])


def test_masks_follow_what_moves_in_the_image():
    """A shift by a multiple of 16 pixels, far from the borders, shifts the masks by as much."""
    network = UNet(1, channels=1, width=2).eval()
    images = torch.zeros(1, 1, 320, 16)
    images[..., 150:160, 4:9] = 1
    after, before = network(images), network(images.roll(16, dims=2))
    assert after.std() > 0
    torch.testing.assert_close(after.roll(16, dims=2)[..., 160:176, :], before[..., 160:176, :])


def test_unets_say_that_they_make_masks():
    assert UNET_SMALL.output == UNET.output == "masks"


def test_multitask_unet_has_the_published_head():
    head = 49 * 1024 * 4096 + 4096 + 4096 * 4096 + 4096 + 4097 * 3
    assert count_parameters(MULTITASK_UNET, 3) == expected_parameters(64, 1) + head
    assert MULTITASK_UNET.output == "labels"
    assert default_spec(MULTITASK_UNET, 64).size == 224


def test_small_multitask_unet_has_a_quarter_of_the_channels():
    head = 49 * 256 * 128 + 128 + 128 * 128 + 128 + 129 * 3
    assert count_parameters(MULTITASK_UNET_SMALL, 3) == expected_parameters(16, 1) + head
    assert default_spec(MULTITASK_UNET_SMALL, 64).size == 64


def test_only_multitask_networks_draw_beside_their_labels():
    names = [name for name in ARCHITECTURES if find_architecture(name).with_masks]
    assert names == ["multitask-unet", "multitask-unet-small"]
    for name in names:
        with torch.device("meta"):
            network = find_architecture(name).build(3).eval()
            logits, masks = network.with_masks(torch.empty(2, 3, 40, 56))
        assert (logits.shape, masks.shape) == ((2, 3), (2, 1, 40, 56))


def test_logits_do_not_depend_on_whether_masks_are_drawn():
    model = Classifier(MULTITASK_UNET_SMALL.build(3), labels=("A", "B", "C"), spec=default_spec(UNET_SMALL, 32)).eval()
    images = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    logits, masks = model.with_masks(images)
    assert torch.equal(logits, model(images))
    assert masks.shape == model.frame(images).shape == (2, 1, 32, 32)


def test_multitask_unet_returns_logits_and_masks_of_one_encoder():
    with torch.device("meta"):
        network = MultitaskUNet(3, masks=2).eval()
        logits, masks = network.with_masks(torch.empty(2, 3, 40, 56))
        assert network(torch.empty(2, 3, 40, 56)).shape == (2, 3)
    assert logits.shape == (2, 3)
    assert masks.shape == (2, 2, 40, 56)
