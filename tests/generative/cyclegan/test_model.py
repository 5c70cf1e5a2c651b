"""A trained CycleGAN: its file, its pictures, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cxrshort.compute import Compute
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.generative.cyclegan.model import CycleGan, load_cyclegan, save_cyclegan
from cxrshort.generative.cyclegan.networks import Sizes, make_networks
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.sources.opening import describe_model

CPU = Compute("cpu", "fp32", 1)
SIDES = ("`COVID-19` == 0", "`COVID-19` == 1")


def description(channels: int = 1, **recipe: object) -> Description:
    """Return the description of a small cyclegan of 32 pixels."""
    spec = InputSpec(32, channels=channels, mean=(0.5,) * channels, std=(0.5,) * channels)
    sizes = {"method": "cyclegan", "width": 4, "blocks": 1, "discriminator_width": 4}
    return Description("cyclegan", "cyclegan", SIDES, spec, recipe=sizes | recipe)


def write(folder: Path, channels: int = 1, **recipe: object) -> Path:
    """Write a small cyclegan of random weights, which changes its images."""
    generators, _ = make_networks(Sizes(4, 1, 4, channels), seed=0)
    save_cyclegan(generators, folder / "model.safetensors", description=description(channels, **recipe))
    return folder


@pytest.fixture
def trained(tmp_path: Path) -> CycleGan:
    """Return a small cyclegan of random weights."""
    return load_cyclegan(write(tmp_path), CPU)


def test_model_says_what_it_is(trained: CycleGan, tmp_path: Path) -> None:
    assert trained.size == 32
    assert trained.sides == {"from": SIDES[0], "to": SIDES[1]}
    assert trained.description.kind == "cyclegan"
    assert len(trained.model_id) == 32
    other = write(tmp_path, epochs=9)
    assert load_cyclegan(other / "model.safetensors", CPU).model_id != trained.model_id


def test_equal_models_are_equal_files(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append((write(tmp_path / name) / "model.safetensors").read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("direction", ["to", "from"])
def test_pictures_do_not_depend_on_their_batch(trained: CycleGan, direction: str) -> None:
    images = torch.rand(19, 1, 32, 32)  # more than pass at once
    together = trained.transform(images, direction)
    alone = torch.cat([trained.transform(image[None], direction) for image in images])
    assert together.shape == images.shape and not together.requires_grad
    assert 0 <= together.min() and together.max() <= 1
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)
    assert not torch.allclose(together, images, atol=0.01)


def test_directions_are_different_networks(trained: CycleGan) -> None:
    images = torch.rand(2, 1, 32, 32)
    assert not torch.allclose(trained.transform(images, "to"), trained.transform(images, "from"), atol=1e-3)


def test_pixels_are_the_images_in_grey_values(trained: CycleGan) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    expected = trained.transform(torch.from_numpy(pixels)[:, None].float() / 255, "to")[:, 0].numpy() * 255
    made = trained.transform_pixels(pixels, "to")
    assert made.dtype == np.uint8 and made.shape == pixels.shape
    assert np.abs(made - expected).max() <= 0.5 + 1e-4


def test_nothing_becomes_nothing(trained: CycleGan) -> None:
    assert trained.transform_pixels(np.zeros((0, 32, 32), np.uint8), "to").shape == (0, 32, 32)


def test_grey_images_pass_networks_of_three_channels(tmp_path: Path) -> None:
    trained = load_cyclegan(write(tmp_path, channels=3), CPU)
    assert trained.transform(torch.rand(2, 1, 32, 32), "to").shape == (2, 1, 32, 32)
    assert trained.transform_pixels(np.zeros((2, 3, 32, 32), np.uint8), "to").shape == (2, 3, 32, 32)


def test_other_sizes_are_refused(trained: CycleGan) -> None:
    with pytest.raises(DataError) as caught:
        trained.transform(torch.zeros(1, 1, 64, 64), "to")
    assert caught.value.message == "the images are '64 x 64' pixels, the cyclegan was trained on 32 x 32"
    assert caught.value.hint == "build-dataset with --size 32"


def test_colour_is_refused_by_networks_of_one_channel(trained: CycleGan) -> None:
    with pytest.raises(DataError, match="the images are in colour, the cyclegan was trained on grey ones"):
        trained.transform(torch.zeros(1, 3, 32, 32), "to")


def test_unknown_directions_are_refused(trained: CycleGan) -> None:
    with pytest.raises(UsageError, match="'forth' is not a direction"):
        trained.transform(torch.zeros(1, 1, 32, 32), "forth")  # type: ignore[arg-type]


def test_file_whose_weights_do_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not fit its width '8' and its blocks '1'"):
        load_cyclegan(write(tmp_path, width=8), CPU)


def test_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="does not exist"):
        load_cyclegan(tmp_path / "none", CPU)


def test_cyclegan_is_no_classifier(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        describe_model(str(write(tmp_path)))
    assert caught.value.message.endswith("is a cyclegan, which returns images and no labels")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"width": 0}, "field 'recipe.width' is '0', it must be a whole number from 1 to 4096"),
        ({"blocks": None}, "field 'recipe.blocks' is 'null', it must be a whole number from 1 to 4096"),
    ],
)
def test_headers_that_break_a_rule_are_refused(tmp_path: Path, changes: dict[str, object], rule: str) -> None:
    with pytest.raises(DataError) as caught:
        load_cyclegan(write(tmp_path, **changes), CPU)
    assert rule in caught.value.message
