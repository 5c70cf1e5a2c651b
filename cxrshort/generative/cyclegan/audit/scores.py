"""What a classifier says of images that are transformed whole, in one region alone, in all but one, and elsewhere.

Each image is scored with its parts in batches of the same call, and a part in which no pixel differs has the score of
the image itself, so that where nothing was changed the change is exactly 0.

What would invalidate the scores: parts that are pasted without their surroundings have edges that no film has. The
same shape transformed in other places of the image has such edges too, which is what a region is compared with.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrshort import runs
from cxrshort.compute import Compute
from cxrshort.generative.cyclegan.audit.edits import Edits
from cxrshort.generative.cyclegan.audit.regions import PackedRegions
from cxrshort.images.prefetch import Indices, Source
from cxrshort.interventions.trial_scores import LabelScore
from cxrshort.models.blocks import BlockArray, Report, fill_blocks
from cxrshort.models.foreground import Foreground
from cxrshort.models.scoring import SCORING_BATCH, score

Bytes = npt.NDArray[np.uint8]
Areas = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
ELSEWHERE = 4
"""Other places in which the shape of a region is transformed."""
_IMAGES_AT_ONCE = 8
_CANDIDATES = 4
"""Shifts that are drawn for each one that is kept."""
_MOST_SHARED = 0.25
"""Share of a region that the same shape elsewhere may cover of it, where there is room."""


class PixelStack:
    """Hold images as a source that models score.

    Args:
        pixels: (N, H, W) or (N, C, H, W) uint8.
    """

    def __init__(self, pixels: Bytes) -> None:
        self._pixels = pixels

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one image."""
        return self._pixels.shape[1:]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._pixels)

    def take(self, indices: Indices) -> Bytes:
        """Return a copy of these images."""
        return self._pixels[indices]


@dataclass(frozen=True)
class PartScorer:
    """Hold what scores images and their parts.

    Args:
        model: one label's log-odds, on its device.
        visible: the audited images as the classifier sees them.
        compute: device, precision and processes.
        batch_size: images in the network at a time; halved whenever memory does not suffice.
    """

    model: LabelScore
    visible: Source
    compute: Compute
    batch_size: int = SCORING_BATCH

    def log_odds(self, pixels: Bytes, rows: Indices) -> Floats:
        """Return the log-odds of edits of audited images, (N,).

        Args:
            pixels: (N, H, W) uint8.
            rows: (N,) which audited images they are edits of.
        """
        shown = self.visible.cover(pixels, rows) if isinstance(self.visible, Foreground) else pixels
        scored = score(self.model, PixelStack(shown), compute=self.compute, batch_size=self.batch_size, shrink=True)
        values: Floats = scored[:, 0].astype(np.float64)
        return values


@dataclass(frozen=True, eq=False)
class PartScores:
    """Hold the log-odds of images and their parts.

    Args:
        before: (N,).
        after: (N,).
        only: (N, R) the region alone transformed; NaN where it is unknown or empty.
        rest: (N, R) all but the region.
        elsewhere: (N, R, K) the same shape in other places; NaN in regions that are not compared.
    """

    before: Floats
    after: Floats
    only: Floats
    rest: Floats
    elsewhere: Floats


def forward_passes(images: int, *, regions: int, compared: int, places: int = ELSEWHERE) -> int:
    """Return how many images a classifier scores at most for some edits and their parts.

    Args:
        images: how many edits.
        regions: of each.
        compared: regions whose shape is transformed elsewhere, too.
        places: how often.

    Example:
        >>> forward_passes(10, regions=3, compared=2, places=4)
        160
    """
    return images * (2 + 2 * regions + places * compared)


@dataclass(frozen=True)
class PartStore:
    """Hold where the scores of parts are kept, so that an interrupted audit goes on where it has stopped.

    Args:
        run: the run folder.
        name: of the array in it.
        settings: everything that the scores depend on and that is not stated elsewhere, as JSON values.
        resume: go on where an interrupted run has stopped.
    """

    run: runs.Run
    name: str
    settings: Mapping[str, Any]
    resume: bool = False


def score_parts(
    scorer: PartScorer,
    edits: Edits,
    regions: PackedRegions,
    *,
    compared: Collection[str],
    seed: int,
    places: int = ELSEWHERE,
    store: PartStore | None = None,
    report: Report = runs.ignore_event,
) -> PartScores:
    """Score images before and after, with each region transformed alone, all but it, and its shape elsewhere.

    Args:
        scorer: of one label.
        edits: the images.
        regions: of the same images.
        compared: regions whose shape is transformed elsewhere, too.
        seed: of the places.
        places: how many of them for each image and region.
        store: where scores are kept; None keeps none, and all processes get the whole; else the first one does.
        report: takes an event before each group of images.
    """
    names = regions.names
    tested = [place for place, name in enumerate(names) if name in compared]

    def work(positions: Indices) -> Floats:
        group = range(int(positions[0]), int(positions[-1]) + 1)
        parts = [_parts(edits, regions, row, tested=tested, seed=seed, places=places) for row in group]
        scores = iter(_score_distinct(scorer, edits, parts, group))
        rows = np.full((len(group), 2 + len(names) * (2 + places)), np.nan)
        for row, (_, present) in zip(rows, parts, strict=True):
            row[:2] = next(scores), next(scores)
            by_region = row[2:].reshape(len(names), 2 + places)
            for place in present:
                count = 2 + (places if place in tested else 0)
                by_region[place, :count] = [next(scores) for _ in range(count)]
        return rows

    shape = (len(edits.rows), 2 + len(names) * (2 + places))
    if store is None:
        groups = np.split(np.arange(shape[0]), range(_IMAGES_AT_ONCE, shape[0], _IMAGES_AT_ONCE))
        rows = np.concatenate([work(group) for group in groups])
    else:
        array = BlockArray(store.name, shape, block=_IMAGES_AT_ONCE, unit="images scored in parts")
        stated = {"regions": list(names), "compared": list(compared), "places": places, "seed": seed}
        settings = {**store.settings, **stated, **scorer.compute.record(), "batch_size": scorer.batch_size}
        filled = fill_blocks(
            store.run, array, work, settings=settings, compute=scorer.compute, resume=store.resume, report=report
        )
        rows = np.array(filled, np.float64)
    by_region = rows[:, 2:].reshape(len(rows), len(names), 2 + places)
    return PartScores(rows[:, 0], rows[:, 1], by_region[..., 0], by_region[..., 1], by_region[..., 2:])


def _parts(
    edits: Edits, regions: PackedRegions, row: int, *, tested: Collection[int], seed: int, places: int
) -> tuple[Bytes, list[int]]:
    """Return the pictures of one image, (V, H, W): before, after, and the parts of each region that it has."""
    before, after, areas = edits.before[row], edits.after[row], regions.image(row)
    present = [number for number, area in enumerate(areas) if regions.available[row, number] and area.any()]
    rng = np.random.default_rng([seed, int(edits.direction == "to"), int(edits.rows[row])])
    pictures = [before, after]
    for number in present:
        area = areas[number]
        pictures += [np.where(area, after, before), np.where(area, before, after)]
        if number in tested:
            pictures += [np.where(moved, after, before) for moved in move_shape(area, places, rng=rng)]
    return np.stack(pictures), present


def _score_distinct(
    scorer: PartScorer, edits: Edits, parts: list[tuple[Bytes, list[int]]], group: range
) -> list[float]:
    """Return the log-odds of all pictures; those that are the picture before or after have its score."""
    pictures = np.concatenate([stack for stack, _ in parts])
    owners = np.repeat(list(group), [len(stack) for stack, _ in parts])
    firsts = np.cumsum([0, *(len(stack) for stack, _ in parts[:-1])])
    first_of = np.repeat(firsts, [len(stack) for stack, _ in parts])
    same_as = np.arange(len(pictures))
    for reference in (1, 0):
        same = (pictures == pictures[first_of + reference]).all(axis=(1, 2))
        same_as[same] = (first_of + reference)[same]
    scored = np.unique(same_as)
    logits = np.zeros(len(pictures))
    logits[scored] = scorer.log_odds(pictures[scored], edits.rows[owners[scored]])
    values: list[float] = logits[same_as].tolist()
    return values


def move_shape(area: Areas, count: int, *, rng: np.random.Generator) -> Areas:
    """Return a shape in other places of the image, (count, H, W), moved around the edges.

    Of `_CANDIDATES` times as many random shifts those are kept that cover at most a quarter of the shape itself, and
    where there are too few such, those that cover least of it.

    Args:
        area: (H, W), not empty.
        count: how many.
        rng: draws the shifts.

    Example:
        >>> corner = np.zeros((8, 8), bool)
        >>> corner[:2, :2] = True
        >>> moved = move_shape(corner, 3, rng=np.random.default_rng(0))
        >>> moved.sum(axis=(1, 2)).tolist(), int((moved & corner).sum(axis=(1, 2)).max()) <= 1
        ([4, 4, 4], True)
    """
    height, width = area.shape
    shifts = np.stack([rng.integers(0, side, _CANDIDATES * count) for side in (height, width)], axis=1)
    moved = np.stack([np.roll(area, shift, axis=(0, 1)) for shift in shifts.tolist()])
    shared = (moved & area).sum(axis=(1, 2)) / area.sum()
    order = np.argsort(np.where(shared <= _MOST_SHARED, 0.0, shared), kind="stable")
    kept: Areas = moved[np.sort(order[:count])]
    return kept
