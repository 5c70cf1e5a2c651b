"""The plan of a swap-test: which boxes, which pairs, which trials, and which regions cannot be tested and why.

It is made before anything is scored, from the seed alone, so that all processes make the same one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort import regions, registry
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.datasets.building.mask_files import open_masks
from cxrshort.errors import UsageError
from cxrshort.interventions import INTERVENTIONS
from cxrshort.interventions.box_files import read_box_file
from cxrshort.interventions.boxes import DESTINATIONS
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
from cxrshort.models.outlines import draw_outlines, load_segmenter, segmenter_files
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.stats.named_draws import named_generator
from cxrshort.stats.region_effects import too_few
from cxrshort.stats.swap_findings import TEST


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

    @property
    def files(self) -> dict[str, Path]:
        """Return what is read, by the name that a run's record gives it.

        Raises:
            MissingInputError: the segmenter is not there.
        """
        paths = {"regions": self.boxes, "masks": self.masks}
        return {**{name: path for name, path in paths.items() if path is not None}, **segmenter_files(self.segmenter)}


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


def check_swap_options(
    regions: Path | None, preset: Sequence[str], *, intervention: str | None, edge: str, original: bool
) -> None:
    """Refuse options that contradict each other, before anything is read.

    Raises:
        UsageError: they do, or a name is unknown.
    """
    if regions is not None and preset:
        raise UsageError(
            "--regions and --preset exclude each other", "write both into one table: a preset writes boxes.csv"
        )
    if original and regions is None:
        raise UsageError("--original-pixels says how --regions is read, and there is none", "give --regions boxes.csv")
    if intervention is not None:
        registry.check_name(INTERVENTIONS, intervention, kind="intervention")
    registry.check_name(DESTINATIONS, edge, kind="destination")


def find_boxes(
    candidates: Candidates,
    sources: BoxSources,
    *,
    whole: Dataset,
    label: str,
    compute: Compute,
    batch_size: int = SCORING_BATCH,
) -> CandidateBoxes:
    """Return the boxes of the candidates and their lungs.

    Args:
        candidates: the images.
        sources: where boxes and lungs come from.
        whole: the whole dataset, see :func:`cxrshort.interventions.box_files.read_box_file`.
        label: the finding.
        compute: where a segmenter draws; several processes draw a share each.
        batch_size: images in the segmenter at a time; halved whenever memory does not suffice.

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
        segmenter = draw_outlines(network, data.pixels, compute=compute, batch_size=batch_size, shrink=True)
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
            choose_pairs(candidates, rows, pairs=pairs, rng=named_generator(seed, "pairs")),
        )
        for region, rows in by_region.items()
    }
    possible = [
        trial
        for region, test in tests.items()
        for trial in region_trials(test, by_region[region], shape=shape, edge=edge)
    ]
    without_room = regions_without_room(possible, shape=shape)
    incomparable = _incomparable(possible, without_room)
    paired = sum(bool(test.pairs) and region not in incomparable for region, test in tests.items())
    counted = {
        region: reason
        for region, test in tests.items()
        if (reason := why_not(test, candidates, by_region[region], pairs=pairs, level=level, regions=max(1, paired)))
    }
    reasons = {**incomparable, **counted}
    used = {region: test.pairs for region, test in tests.items() if region not in reasons}
    trials = [trial for trial in possible if trial.region in used]
    if used:
        trials += _lung_control(candidates, boxes, pairs=pairs, seed=seed)
    tested_without = frozenset((region, done) for region, done in without_room if region in used)
    return SwapPlan(by_region, used, reasons, tuple(trials), tested_without)


def _incomparable(trials: Sequence[RegionTrial], without_room: Collection[tuple[str, str]]) -> dict[str, str]:
    """Return why regions have nothing to be compared with: no random patches, and magnitudes are never below 0."""
    return {
        trial.region: f"no room for random patches of its size, and {trial.intervention} predicts no direction"
        for trial in trials
        if trial.purpose == TEST and trial.direction == "either" and (trial.region, trial.intervention) in without_room
    }


def _lung_control(candidates: Candidates, boxes: CandidateBoxes, *, pairs: int, seed: int) -> list[RegionTrial]:
    rows = np.flatnonzero(boxes.own_lungs).tolist()
    chosen = choose_pairs(candidates, rows, pairs=pairs, rng=named_generator(seed, "pairs"))
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
