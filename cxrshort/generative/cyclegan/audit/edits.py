"""What the generators of a CycleGAN make of images: the transformed images, their differences and the cycle error.

Differences are after minus before in grey values of [0, 1], of the whole numbers from 0 to 255 in which images are
stored, so that they are those of the images that ``cyclegan transform`` writes. What would invalidate them: a generator
that returns one image whatever it is given, which is refused here, and images of another size than those of the
training.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from cxrshort import runs
from cxrshort.compute import Compute
from cxrshort.errors import DataError
from cxrshort.generative.cyclegan.audit.images import OTHER, AuditedImages, Indices
from cxrshort.generative.cyclegan.networks import Direction
from cxrshort.images.prefetch import Source
from cxrshort.models.blocks import Report
from cxrshort.models.scoring import counted, scan

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
COLLAPSED_SPREAD = 1.0
"""Mean standard deviation of pixels over images, of 255, up to which transformed images are all the same image."""


class Transformer(Protocol):
    """Transform images between two sides, as a trained CycleGAN does."""

    @property
    def size(self) -> int:
        """Return the side of the images that it takes, in pixels."""

    def transform_pixels(self, pixels: Bytes, direction: Direction) -> Bytes:
        """Return images (N, H, W), uint8, as the direction ``"to"`` or ``"from"`` transforms them."""


@dataclass(frozen=True, eq=False)
class Edits:
    """Hold images before and after one direction.

    Args:
        direction: ``"to"`` or ``"from"``.
        rows: (N,) which of the audited images they are.
        before: (N, H, W) uint8.
        after: (N, H, W) uint8.
        back: (N, H, W) uint8, transformed back by the other direction; None where that was not asked for.
    """

    direction: Direction
    rows: Indices
    before: Bytes
    after: Bytes
    back: Bytes | None = None

    @property
    def differences(self) -> Floats:
        """Return after minus before, (N, H, W), in [-1, 1]."""
        return differences(self.before, self.after)

    @property
    def changes(self) -> npt.NDArray[np.float64]:
        """Return the mean absolute difference of each image, (N,)."""
        return mean_differences(self.before, self.after)

    @property
    def cycle_errors(self) -> npt.NDArray[np.float64]:
        """Return the mean absolute difference of each image from itself transformed there and back, (N,).

        Raises:
            DataError: it was not transformed back.
        """
        if self.back is None:
            raise DataError("images were not transformed back", "transform them with cycle=True")
        return mean_differences(self.before, self.back)


def differences(before: Bytes, after: Bytes) -> Floats:
    """Return after minus before, in [-1, 1].

    Example:
        >>> differences(np.array([[[255]]], np.uint8), np.array([[[0]]], np.uint8)).item()
        -1.0
    """
    signed: Floats = (after.astype(np.float32) - before.astype(np.float32)) / np.float32(255)
    return signed


def mean_differences(before: Bytes, after: Bytes) -> npt.NDArray[np.float64]:
    """Return the mean absolute difference of each image, (N,), in [0, 1]."""
    means: npt.NDArray[np.float64] = np.abs(differences(before, after)).mean(axis=(1, 2), dtype=np.float64)
    return means


def transform_images(
    generator: Transformer,
    images: AuditedImages,
    direction: Direction,
    *,
    rows: Indices,
    compute: Compute,
    batch_size: int,
    cycle: bool = True,
    report: Report = runs.ignore_event,
) -> Edits:
    """Return images as a direction transforms them; several processes transform a share each, and all get the whole.

    Args:
        generator: the CycleGAN.
        images: the audited images.
        direction: ``"to"`` or ``"from"``.
        rows: which of the images.
        compute: device, precision and processes.
        batch_size: images in the network at a time; halved whenever memory does not suffice.
        cycle: whether they are transformed back, too.
        report: takes an event before each batch.

    Raises:
        DataError: images of another size than the generator takes, or transformed images that are all the same.
    """
    pixels: Source = images.data.pixels
    check_size(generator.size, images.data.name, pixels.image_shape)

    def work(tensors: Tensor, positions: Indices) -> Bytes:
        del tensors
        before = pixels.take(positions)
        after = generator.transform_pixels(before, direction)
        both = [after, generator.transform_pixels(after, OTHER[direction])] if cycle else [after]
        return np.stack(both, axis=1)

    exact = replace(compute, precision="fp32")  # as the images that ``cyclegan transform`` writes
    counting = counted(work, unit="images transformed", count=len(rows), compute=compute, report=report)
    transformed = scan(
        counting, pixels, model=nn.Identity(), compute=exact, batch_size=batch_size, rows=rows, shrink=True
    )
    before, after = pixels.take(rows), transformed[:, 0]
    check_collapse(before, after, goal=images.goal(direction))
    return Edits(direction, rows, before, after, transformed[:, 1] if cycle else None)


def check_size(size: int, name: str, shape: tuple[int, ...]) -> None:
    """Refuse images of another size than the generator was trained on.

    Raises:
        DataError: they are.
    """
    if shape != (size, size):
        height, width = shape
        raise DataError(
            f"{name} has images of {width} x {height} pixels, and the CycleGAN was trained on {size} x {size}",
            f"build the dataset with --size {size}",
        )


def check_collapse(before: Bytes, after: Bytes, *, goal: str) -> None:
    """Refuse transformed images that are all the same, although the original ones differ.

    Raises:
        DataError: they are.
    """
    spreads = [float(part.std(axis=0, dtype=np.float64).mean()) for part in (before, after)]
    if len(before) > 1 and spreads[1] <= COLLAPSED_SPREAD < spreads[0]:
        raise DataError(
            f"the generator to '{goal}' has collapsed: it makes one image of all {len(before)}",
            "train it again with another --seed or a larger weight of the cycle loss",
        )
