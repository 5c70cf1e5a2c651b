"""The plan of a swap-test: which boxes, which pairs, which trials, and which regions cannot be tested and why.

It is made before anything is scored, from the seed alone, so that all processes make the same one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort import regions
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.datasets.building.mask_files import open_masks
from cxrshort.errors import UsageError
from cxrshort.interventions.box_files import read_box_file
from cxrshort.interventions.pairs import Candidates, Pairs, choose_pairs
from cxrshort.interventions.presets import (
    LUNGS,
    Areas,
    BoxesByRow,
    dataset_boxes,
    draw_lungs,
    group_boxes,
    lung_boxes,
    preset_boxes,
)
from cxrshort.interventions.trials import (
    USUAL,
    WITH_NULL,
    RegionTest,
    RegionTrial,
    intervention_of,
    lung_trials,
    region_trials,
    regions_without_room,
)
from cxrshort.models.outlines import draw_outlines, load_segmenter
from cxrshort.stats.region_effects import too_few
from cxrshort.stats.swap_findings import random_state


@dataclass(frozen=True)
class BoxSources:
    """Say where boxes and lungs come from; all empty takes what the dataset knows.

    Args:
        boxes: a table of boxes.
        original: its edges are in pixels of the original films.
        presets: see :data:`cxrshort.interventions.presets.PRESETS`.
        masks: lungs, as a folder of mask files or one ``.npy`` file.
        segmenter: a model that draws lungs where there is no mask.
    """

    boxes: Path | None = None
    original: bool = False
    presets: Sequence[str] = ()
    masks: Path | None = None
    segmenter: str | None = None


@dataclass(frozen=True)
class CandidateBoxes:
    """Hold the boxes of the candidates.

    Args:
        table: as ``regions.csv`` has them, in cache pixels.
        lungs: (N, H, W); empty where unknown.
        own_lungs: (N,) whether these are the image's own, not those of the average anatomy.
        notes: what must be known of them.
    """

    table: pd.DataFrame
    lungs: Areas
    own_lungs: Areas
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SwapPlan:
    """Hold what is to be done.

    Args:
        boxes: of each region, in order, by position of the image.
        pairs: of each region that can be tested.
        reasons: why the others cannot.
        trials: all trials, those of one region and purpose together.
        without_room: regions and interventions that no random patches can be compared with.
    """

    boxes: Mapping[str, BoxesByRow]
    pairs: Mapping[str, Pairs]
    reasons: Mapping[str, str]
    trials: tuple[RegionTrial, ...]
    without_room: frozenset[tuple[str, str]]

    @property
    def regions(self) -> list[str]:
        """Return all regions, in order."""
        return list(self.boxes)

    @property
    def with_null(self) -> list[int]:
        """Return the numbers of the trials that have a null, in order."""
        return [
            number
            for number, trial in enumerate(self.trials)
            if trial.purpose in WITH_NULL and (trial.region, trial.intervention) not in self.without_room
        ]


def find_boxes(
    candidates: Candidates, sources: BoxSources, *, whole: Dataset, label: str, compute: Compute
) -> CandidateBoxes:
    """Return the boxes of the candidates and their lungs.

    Args:
        candidates: the images.
        sources: where boxes and lungs come from.
        whole: the whole dataset, see :func:`cxrshort.interventions.box_files.read_box_file`.
        label: the finding.
        compute: where a segmenter draws; several processes draw a share each.

    Raises:
        DataError: boxes or masks are damaged, or of other images.
        MissingInputError: a file, folder or model is not there.
        UsageError: no region has a box, or the segmenter is another kind of model.
    """
    data = candidates.data
    masks, mask_notes = (None, ()) if sources.masks is None else open_masks(sources.masks, data)
    segmenter = None
    if sources.segmenter is not None:
        network, _ = load_segmenter(sources.segmenter, dataset=data.name, pixels=data.recipe)
        segmenter = draw_outlines(network, data.pixels, compute=compute)
    lungs, own = draw_lungs(regions.of(data, masks=masks, segmenter=segmenter))
    notes = [*mask_notes]
    if sources.boxes is not None:
        table, counted = read_box_file(sources.boxes, data, whole=whole, original=sources.original)
        notes += counted
    elif sources.presets:
        if not own.all() and set(sources.presets) - {"borders"}:
            average = regions.atlas((lungs.shape[1], lungs.shape[2]))[LUNGS]
            lungs = np.where(own[:, None, None], lungs, average)
            notes.append(
                f"the lungs of {int((~own).sum())} of {len(own)} images are those of an average anatomy, so that their "
                "boxes are rough; --masks or --segmenter gives their own"
            )
        table = preset_boxes(sources.presets, data, lungs)
    else:
        table = dataset_boxes(data, lungs, label=label)
    if not len(table):
        raise UsageError(
            "no region has a box in any image of this fold", "give --regions boxes.csv or --preset borders"
        )
    return CandidateBoxes(table, lungs, own, tuple(notes))


def plan_trials(
    candidates: Candidates,
    boxes: CandidateBoxes,
    *,
    intervention: str | None,
    pairs: int,
    edge: str,
    level: float,
    seed: int,
) -> SwapPlan:
    """Return the trials of every region that can be tested.

    Args:
        candidates: the images.
        boxes: of the candidates, and their lungs.
        intervention: in all regions; None takes :data:`cxrshort.interventions.trials.USUAL`.
        pairs: how many pairs of a positive and a negative at most.
        edge: where moved boxes go.
        level: error of the first kind of the verdict over all regions.
        seed: draws the pairs.

    Raises:
        UsageError: another edge.
    """
    shape = (boxes.lungs.shape[1], boxes.lungs.shape[2])
    by_region = group_boxes(boxes.table, candidates.data)
    tests = {
        region: RegionTest(
            region,
            intervention or USUAL,
            choose_pairs(candidates, rows, pairs=pairs, rng=random_state(seed, "pairs")),
        )
        for region, rows in by_region.items()
    }
    paired = sum(bool(test.pairs) for test in tests.values())
    reasons = {
        region: reason
        for region, test in tests.items()
        if (reason := why_not(test, candidates, by_region[region], pairs=pairs, level=level, regions=max(1, paired)))
    }
    chosen = {region: test for region, test in tests.items() if region not in reasons}
    trials = [
        trial
        for region, test in chosen.items()
        for trial in region_trials(test, by_region[region], shape=shape, edge=edge)
    ]
    if chosen:
        trials += _lung_control(candidates, boxes, pairs=pairs, seed=seed)
    without_room = frozenset(regions_without_room(trials, shape=shape))
    used = {region: test.pairs for region, test in chosen.items()}
    return SwapPlan(by_region, used, reasons, tuple(trials), without_room)


def _lung_control(candidates: Candidates, boxes: CandidateBoxes, *, pairs: int, seed: int) -> list[RegionTrial]:
    rows = np.flatnonzero(boxes.own_lungs).tolist()
    chosen = choose_pairs(candidates, rows, pairs=pairs, rng=random_state(seed, "pairs"))
    return lung_trials(chosen, {row: lung_boxes(boxes.lungs[row]) for pair in chosen for row in pair})


def why_not(
    test: RegionTest, candidates: Candidates, boxes: BoxesByRow, *, pairs: int, level: float, regions: int
) -> str:
    """Return why a region cannot be tested; empty where it can.

    Args:
        test: its pairs.
        candidates: the images.
        boxes: of the region.
        pairs: how many the test should have.
        level: error of the first kind over all regions.
        regions: how many there are.
    """
    positives = int(candidates.positive.sum())
    counts = {"positive": positives, "negative": len(candidates.positive) - positives}
    for name, count in counts.items():
        if not count:
            return f"no image of the fold is {name}: a pair needs both"
    with_boxes = {
        "positive": sum(bool(candidates.positive[row]) for row in boxes),
        "negative": sum(not candidates.positive[row] for row in boxes),
    }
    alone = not intervention_of(test.intervention).requires.partners and test.intervention != "move"
    count = 2 * len(test.pairs) if alone else len(test.pairs)
    reason = too_few(count, "persons" if alone else "pairs", level=level, regions=regions)
    if not reason:
        return ""
    if len(test.pairs) < pairs:
        listed = " and ".join(f"{with_boxes[name]} of {counts[name]} {name}s" for name in counts)
        return f"{listed} have boxes: {reason}"
    return f"--pairs {pairs}: {reason}"
