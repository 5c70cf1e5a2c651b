"""Pictures to latents and back: grey, of any size, one at a time, in fp32 where the VAE fails."""

from typing import Any

import numpy as np
import pytest
import torch

from cxrshort.compute import choose_compute
from cxrshort.generative.roentmod import autoencoding as autoencoding_module
from cxrshort.generative.roentmod.autoencoding import IN_FP32, SPREAD, Autoencoding, Latents
from cxrshort.generative.roentmod.components import Components, load_components, load_vae
from cxrshort.generative.roentmod.contract import Picture
from cxrshort.generative.roentmod.generator_files import find_generator
from cxrshort.images.raster import ImageError

from .tiny_pipeline import build

CPU = choose_compute("cpu", precision="fp32")


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> Components:
    return load_components(find_generator(str(build(tmp_path_factory.mktemp("generators"))), {}), CPU)


def autoencoding(components: Components, vae: Any = None) -> Autoencoding:
    part = components.files.parts["vae"]
    return Autoencoding(
        vae or components.vae,
        compute=CPU,
        downscaling=8,
        full_precision=lambda: load_vae(part, CPU, torch.float32),
    )


def pixels(height: int = 64, width: int = 64) -> Any:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def encoded(coder: Autoencoding, picture: Any) -> Latents:
    latents = coder.encode(picture)
    assert isinstance(latents, Latents)
    return latents


def decoded(coder: Autoencoding, latents: Latents) -> Picture:
    picture = coder.decode(latents.values, height=latents.height, width=latents.width, retried=latents.retried)
    assert isinstance(picture, Picture)
    return picture


def test_latents_are_the_mode_of_the_posterior_of_three_equal_channels(components):
    picture = pixels()
    image = torch.from_numpy(picture / 127.5 - 1).float()[None, None].expand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = components.vae.encode(image).latent_dist.mean[0] * components.vae.config.scaling_factor
    torch.testing.assert_close(encoded(autoencoding(components), picture).values, expected, rtol=1e-5, atol=1e-6)


def test_picture_is_the_mean_of_three_channels_and_their_spread_is_told(components):
    coder = autoencoding(components)
    latents = encoded(coder, pixels())
    with torch.inference_mode():
        channels = components.vae.decode(latents.values[None] / components.vae.config.scaling_factor).sample[0]
    shown = ((channels + 1) / 2).clamp(0, 1).numpy() * 255
    picture = decoded(coder, latents)
    assert np.abs(picture.pixels - shown.mean(0)).max() <= 0.5 + 1e-3
    assert picture.facts[SPREAD] == pytest.approx((shown.max(0) - shown.min(0)).mean(), abs=1e-3)
    assert picture.facts[IN_FP32] == 0


@pytest.mark.parametrize(("height", "width"), [(75, 70), (64, 57), (8, 8)])
def test_any_size_comes_back(components, height, width):
    coder = autoencoding(components)
    picture = pixels(height, width)
    latents = encoded(coder, picture)
    assert latents.values.shape == (4, -(-height // 8), -(-width // 8))
    assert coder.latent_sides(height, width) == latents.values.shape[1:]
    assert decoded(coder, latents).pixels.shape == (height, width)


def test_padding_repeats_the_last_pixels(components):
    picture = pixels(60, 64)
    padded = np.concatenate([picture, np.repeat(picture[-1:], 4, axis=0)])
    coder = autoencoding(components)
    assert torch.equal(encoded(coder, picture).values, encoded(autoencoding(components), padded).values)


def test_latents_of_a_picture_are_computed_once(components, monkeypatch):
    monkeypatch.setattr(autoencoding_module, "_KEPT_LATENTS", 8)
    calls = []
    handle = components.vae.encoder.register_forward_pre_hook(lambda module, inputs: calls.append(1))
    try:
        coder = autoencoding(components)
        first = coder.encode(pixels())
        assert coder.encode(pixels()) is first
        assert coder.encode(pixels().reshape(32, 128)) is not first  # the same bytes in another shape
        assert len(calls) == 2
        for number in range(8):
            coder.encode(np.full((8, 8), number, np.uint8))
        assert coder.encode(pixels()) is not first
        assert len(calls) == 11
    finally:
        handle.remove()


class Broken(torch.nn.Module):
    """A VAE of lower precision whose passes give no picture."""

    def __init__(self, vae: Any, *, value: float, part: str) -> None:
        super().__init__()
        self.vae, self.value, self.part = vae, value, part
        self.config, self.dtype = vae.config, torch.bfloat16

    def encode(self, images: torch.Tensor) -> Any:
        posterior = self.vae.encode(images.float())
        if self.part == "encoder":
            posterior.latent_dist.mean.fill_(self.value)
        return posterior

    def decode(self, latents: torch.Tensor) -> Any:
        decoded = self.vae.decode(latents.float())
        if self.part == "decoder":
            decoded.sample.fill_(self.value)
        return decoded


@pytest.mark.parametrize(
    ("part", "value"), [("decoder", float("nan")), ("decoder", 0.1), ("decoder", 7.0), ("encoder", float("inf"))]
)
def test_picture_that_fails_is_made_again_in_fp32_and_counted(components, part, value):
    coder = autoencoding(components, Broken(components.vae, value=value, part=part))
    picture = decoded(coder, encoded(coder, pixels()))
    assert picture.facts[IN_FP32] == 1
    whole = autoencoding(components)
    expected = decoded(whole, encoded(whole, pixels()))
    # Inputs of a decoder went through bf16 only where the encoder's did not.
    assert np.abs(picture.pixels.astype(int) - expected.pixels).max() <= 3


@pytest.mark.parametrize(("value", "reason"), [(float("nan"), "not a number"), (0.1, "constant picture")])
def test_picture_that_fails_in_fp32_too_is_an_error(components, value, reason):
    class Failing(Broken):
        def __init__(self, vae: Any) -> None:
            super().__init__(vae, value=value, part="decoder")
            self.dtype = torch.float32

    coder = autoencoding(components, Failing(components.vae))
    outcome = coder.decode(torch.zeros(4, 8, 8), height=64, width=64)
    assert isinstance(outcome, ImageError)
    assert outcome.reason == reason


def test_latents_that_are_not_a_number_are_an_error(components):
    coder = autoencoding(components)
    outcome = coder.decode(torch.full((4, 8, 8), float("nan")), height=64, width=64)
    assert isinstance(outcome, ImageError)
    assert outcome.detail == "the U-Net of the generator returned no finite latents"


def test_encoder_that_fails_in_fp32_too_is_an_error(components):
    class Failing(Broken):
        def __init__(self, vae: Any) -> None:
            super().__init__(vae, value=float("nan"), part="encoder")
            self.dtype = torch.float32

    outcome = autoencoding(components, Failing(components.vae)).encode(pixels())
    assert isinstance(outcome, ImageError)
    assert outcome.detail == "the encoder of the generator returned no finite latents"
