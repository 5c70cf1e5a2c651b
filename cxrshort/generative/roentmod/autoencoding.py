"""Pictures to latents and back: grey in, grey out, one picture at a time.

A picture is encoded to the mode of the posterior, so that the same picture always has the same latents, and decoded
alone, so that its bytes do not depend on what stands beside it. Sides that the VAE cannot halve often enough are padded
with their last pixels and cut back. The three channels of a decoded picture are averaged; how far they are apart is
told, since a radiograph has no colour.

A round trip changes every picture, also where nothing is edited; what an edit did is its difference from that.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.compute import Compute
from cxrshort.generative.roentmod.contract import Picture
from cxrshort.images.raster import ImageError

SPREAD, IN_FP32 = "edit_channel_spread", "edit_vae_fp32"
_KEPT_LATENTS = 1024
"""Pictures whose latents are kept, 64 KiB each at 512 px: edits of a picture stand beside each other, and all round
trips behind all edits, where each picture would be encoded again."""


@dataclass(frozen=True)
class Latents:
    """Hold an encoded picture.

    Args:
        values: (channels, h, w) float32, times the VAE's scaling factor.
        height: of the picture, in pixels.
        width: of the picture.
        retried: whether the VAE had to run in fp32.
    """

    values: Tensor
    height: int
    width: int
    retried: bool = False


class Autoencoding:
    """Encode and decode pictures.

    Args:
        vae: of diffusers.
        compute: where.
        downscaling: pixels of a latent's side.
        full_precision: returns the VAE in fp32; called at most once, where a picture fails.
    """

    def __init__(self, vae: Any, *, compute: Compute, downscaling: int, full_precision: Callable[[], Any]) -> None:
        self.vae, self.compute, self.downscaling = vae, compute, downscaling
        self._scaling = float(vae.config.scaling_factor)
        self._load_full_precision = full_precision
        self._fp32: Any = vae if vae.dtype == torch.float32 else None
        self._kept: OrderedDict[Any, Latents | ImageError] = OrderedDict()

    def latent_sides(self, height: int, width: int) -> tuple[int, int]:
        """Return the sides of the latents of a picture."""
        return -(-height // self.downscaling), -(-width // self.downscaling)

    def encode(self, pixels: npt.NDArray[np.uint8]) -> Latents | ImageError:
        """Return the latents of a picture (H, W), computed once for its edits and its round trip.

        Args:
            pixels: of the picture.
        """
        content = (pixels.shape, hashlib.sha256(pixels.tobytes()).digest())
        if content not in self._kept:
            self._kept[content] = self._encode(pixels)
            if len(self._kept) > _KEPT_LATENTS:
                self._kept.popitem(last=False)
        return self._kept[content]

    @torch.inference_mode()
    def _encode(self, pixels: npt.NDArray[np.uint8]) -> Latents | ImageError:
        height, width = pixels.shape
        rows, columns = (side * self.downscaling for side in self.latent_sides(height, width))
        image = torch.from_numpy(np.array(pixels)).float().div(127.5).sub(1)[None, None]
        image = functional.pad(image, (0, columns - width, 0, rows - height), mode="replicate").expand(1, 3, -1, -1)
        image = image.to(self.compute.torch_device)
        values, retried = self._run(
            lambda vae: vae.encode(image.to(vae.dtype)).latent_dist.mode()[0].float(), is_sound=_is_finite
        )
        if not _is_finite(values):
            return ImageError("not a number", "the encoder of the generator returned no finite latents")
        return Latents(values * self._scaling, height, width, retried)

    @torch.inference_mode()
    def decode(self, latents: Tensor, *, height: int, width: int, retried: bool = False) -> Picture | ImageError:
        """Return the picture of latents (channels, h, w); an error where it is constant or not a number.

        Args:
            latents: times the scaling factor, fp32.
            height: of the picture, in pixels.
            width: of the picture.
            retried: whether the VAE had to run in fp32 before.
        """
        if not _is_finite(latents):
            return ImageError("not a number", "the U-Net of the generator returned no finite latents")
        scaled = (latents / self._scaling)[None]
        values, again = self._run(
            lambda vae: vae.decode(scaled.to(vae.dtype)).sample[0, :, :height, :width].float().div(2).add(0.5),
            is_sound=lambda values: _is_finite(values) and not _is_constant(values),
        )
        if not _is_finite(values):
            return ImageError("not a number", "the decoder of the generator returned no finite pixels")
        if _is_constant(values):
            return ImageError("constant picture", "the decoder of the generator returned one grey level")
        channels = values.clamp(0, 1)
        grey = channels.mean(0).mul(255).round().byte().cpu().numpy()
        spread = float((channels.amax(0) - channels.amin(0)).mean().mul(255))
        return Picture(grey, {SPREAD: round(spread, 4), IN_FP32: float(retried or again)})

    def _run(self, work: Callable[[Any], Tensor], *, is_sound: Callable[[Tensor], bool]) -> tuple[Tensor, bool]:
        """Return what the VAE makes, and whether it had to run in fp32 for it."""
        values = work(self.vae)
        if is_sound(values) or self._fp32 is self.vae:
            return values, False
        if self._fp32 is None:
            self._fp32 = self._load_full_precision()
        return work(self._fp32), True


def _is_finite(values: Tensor) -> bool:
    return bool(values.isfinite().all())


def _is_constant(values: Tensor) -> bool:
    """Return whether a picture (channels, H, W) is of one grey level once it is stored in 8 bits."""
    levels = values.clamp(0, 1).mean(0).mul(255).round()
    return bool(levels.amax() == levels.amin())
