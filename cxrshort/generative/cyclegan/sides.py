"""The two sides of a CycleGAN: rows of the training fold for which an expression holds, drawn down to equal numbers.

What would invalidate the comparison of the sides: an image on both of them, which is then told apart from itself; or a
patient of the test fold, whose transformed images an audit would take for unseen ones.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from cxrshort.compute import seeded_generator
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.expressions import Bools, select_rows
from cxrshort.generative.cyclegan.networks import DIRECTIONS, Direction
from cxrshort.images.prefetch import Indices

_DRAW = {"from": 0, "to": 1}
"""Counter of a side's draw, so that the draws of both are unrelated."""


@dataclass(frozen=True)
class Sides:
    """Hold the images of the two sides.

    Args:
        data: the training fold.
        rows: positions in it of the images of each side, (n,), sorted.
        available: how many images of the training fold each side had before it was drawn down.
    """

    data: Dataset
    rows: dict[Direction, Indices]
    available: dict[Direction, int]

    @property
    def persons(self) -> list[str]:
        """Return the persons whose images are on a side."""
        chosen = np.concatenate([self.rows[direction] for direction in DIRECTIONS])
        return sorted(set(self.data.manifest["person_id"].iloc[chosen]))

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of images of each side."""
        return {direction: len(self.rows[direction]) for direction in ("from", "to")}


def choose_sides(
    data: Dataset, expressions: dict[Direction, str], *, replicate: int, per_class: int = 0, seed: int = 0
) -> Sides:
    """Choose the images of both sides.

    Args:
        data: the whole dataset.
        expressions: of each side, over columns of the manifest.
        replicate: whose training fold is used.
        per_class: most images of a side, drawn at random; 0 takes as many as the smaller side has.
        seed: of the draw.

    Raises:
        UsageError: an expression cannot be understood, or no image is on a side.
        DataError: an image is on both sides.
    """
    fold = data.fold("train", replicate=replicate)
    chosen = {direction: select_rows(fold.manifest, expressions[direction]) for direction in DIRECTIONS}
    for direction, is_chosen in chosen.items():
        if not is_chosen.any():
            raise UsageError(
                f"--{direction} '{expressions[direction]}' holds for none of the {len(fold.manifest)} training images "
                f"of {data.name} (split_{replicate})",
                f"see the columns of {data.path or 'its manifest'}, and write an expression that holds for some rows",
            )
    _check_apart(fold.manifest, chosen["from"], chosen["to"], name=data.name)
    rows = {direction: np.flatnonzero(chosen[direction]) for direction in DIRECTIONS}
    most = per_class or min(len(positions) for positions in rows.values())
    drawn = {direction: _draw(positions, most, seed, direction) for direction, positions in rows.items()}
    return Sides(fold, drawn, {direction: len(positions) for direction, positions in rows.items()})


def _check_apart(manifest: pd.DataFrame, first: Bools, second: Bools, *, name: str) -> None:
    """Refuse an image on both sides, also where it is the same film under two names."""
    if both := manifest["image_id"][first & second].tolist():
        raise DataError(
            f"{name}: {len(both)} images are on both sides, first '{both[0]}'",
            "write expressions that exclude each other",
        )
    if "pixels_crc32" not in manifest:
        return
    pixels = manifest["pixels_crc32"]
    shared = sorted(set(pixels[first].dropna()) & set(pixels[second].dropna()))
    if shared:
        pair = [manifest["image_id"][side & pixels.isin(shared[:1])].iloc[0] for side in (first, second)]
        raise DataError(
            f"{name}: {len(shared)} images are on both sides under two names, first '{pair[0]}' and '{pair[1]}'",
            f'leave one of them out: ... and image_id != "{pair[0]}"',
        )


def _draw(positions: Indices, most: int, seed: int, direction: Direction) -> Indices:
    """Return at most so many positions, drawn at random, in order."""
    if len(positions) <= most:
        return positions
    order = torch.randperm(len(positions), generator=seeded_generator(seed, _DRAW[direction])).numpy()
    return np.sort(positions[order[:most]])
