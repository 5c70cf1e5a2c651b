"""Where do lungs, heart and mediastinum lie on average? Writes ``cxrshort/average_anatomy.csv`` from the phantom.

The mean of the masks of 1,000 phantoms of an unconfounded dataset at 64 px: a pixel belongs to a structure where at
least half of them have it. With ``--real DIR``, a folder of downloads, the Dice coefficients of the lungs with V7's
masks of GitHub-COVID are printed.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort import manifest as manifests
from cxrshort import regions
from cxrshort.columns import MASK_BITS
from cxrshort.dataset import load_dataset
from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.stats.overlap import dice_and_iou
from cxrshort.verbs.build_dataset import build_dataset

STRUCTURES = ("lungs", "heart", "mediastinum")
SIDE = regions.ATLAS_SIDE


def average(images: int, *, seed: int) -> dict[str, np.ndarray]:
    """Return where at least half of the phantoms have each structure, (SIDE, SIDE) bool."""
    fields = np.stack(
        [
            draw_phantom(phantom, size=SIDE).masks
            for phantom in sample_phantoms("phantom-III", images=images, confounding=None, seed=seed)
        ]
    )
    return {name: ((fields & MASK_BITS[name]) > 0).mean(axis=0) >= 0.5 for name in STRUCTURES}


def to_runs(areas: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return areas as runs of pixels within a line: region, y, x0, x1 (half-open)."""
    actual = []
    for name, area in areas.items():
        edges = np.diff(np.pad(area, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        for (y, x0), (_, x1) in zip(np.argwhere(edges == 1), np.argwhere(edges == -1), strict=True):
            actual.append((name, int(y), int(x0), int(x1)))
    return pd.DataFrame(actual, columns=["region", "y", "x0", "x1"])


def on_real_films(root: Path) -> np.ndarray:
    """Return the Dice coefficients of the atlas's lungs with the published masks of real films."""
    with tempfile.TemporaryDirectory() as home:
        build_dataset("github-covid", root=root, out=Path(home) / "out", size=224)
        data = load_dataset(str(Path(home) / "out"))
        rows = np.flatnonzero(data.has_mask)
        atlas = regions.atlas(data.pixels.image_shape)["lungs"]
        truth = (data.masks.take(rows) & MASK_BITS["lungs"]) > 0
        return dice_and_iou(np.broadcast_to(atlas, truth.shape), truth)[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--real", type=Path)
    options = parser.parse_args()
    manifests.write_table(to_runs(average(options.images, seed=0)), Path(regions.__file__).with_name(regions.ATLAS))
    if options.real:
        dices = on_real_films(options.real)
        print(f"lungs of {len(dices)} real films: Dice {dices.mean():.3f}, lowest {dices.min():.3f}")  # noqa: T201
