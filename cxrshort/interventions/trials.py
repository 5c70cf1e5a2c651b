"""The trials of a swap-test: what is done in which image, for the test itself, the published test and the controls.

What would invalidate a trial: a direction that is chosen after looking. It follows from the class of the image before
anything is scored: a positive that takes a negative's region should fall, and a negative that takes a positive's should
rise; a negative whose shoulders move up should rise, as in DeGrave et al. 2021; an intervention without a partner
predicts a change and no direction.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from cxrshort.compute import seeded_generator
from cxrshort.interventions import INTERVENTIONS
from cxrshort.interventions.boxes import slide_to_edge
from cxrshort.interventions.contract import Intervention
from cxrshort.interventions.pairs import Pairs, same_class_pairs
from cxrshort.interventions.presets import Boxes, BoxesByRow, box_areas, shared_areas
from cxrshort.interventions.random_patches import free_positions
from cxrshort.registry import load_entry
from cxrshort.stats.swap_findings import LUNGS, PUBLISHED, SAME_CLASS, SHAM, TEST

USUAL = "replace"
"""The intervention of the verdict unless the user says otherwise.

A marker differs by what it says and by where it stands. A swap of contents leaves the place as it was: in phantoms of
which hospitals set different markers in different corners, models that lean on nothing else hardly reacted to it in
negatives. What is replaced is therefore the image's own marker and the place of the partner's.
"""
PUBLISHED_BY = {"marker": "swap", "markers": "swap", "text": "swap", "shoulders": "move"}
"""The intervention of the published test, where it has one of its own (DeGrave et al. 2021)."""
SAME_PLACE = 0.25
"""Intersection over union from which on a partner's box lies where the image has one itself."""

WITH_NULL = (TEST, PUBLISHED)


@dataclass(frozen=True, eq=False)
class RegionTrial:
    """Say what is done in one image.

    Args:
        region: what is tested.
        intervention: of :data:`cxrshort.interventions.INTERVENTIONS`.
        purpose: what for.
        row: position of the image.
        positive: whether it has the finding.
        pair: number of its pair in the region's test; of a control, of the images that belong together.
        boxes: (K, 4).
        partner: position of the image that gives; None where there is none.
        partner_boxes: (K, 4), where the intervention takes boxes of the partner.
        destinations: (K, 4), where the intervention moves boxes.
    """

    region: str
    intervention: str
    purpose: str
    row: int
    positive: bool
    pair: int
    boxes: Boxes
    partner: int | None = None
    partner_boxes: Boxes | None = None
    destinations: Boxes | None = None

    @property
    def direction(self) -> str:
        """Return which change a shortcut predicts: ``"increase"``, ``"decrease"`` or ``"either"``."""
        if self.intervention == "move":
            return "increase"
        if self.partner is None:
            return "either"
        return "decrease" if self.positive else "increase"

    def generator(self, seed: int) -> torch.Generator:
        """Return the generator of its random patches, which depends on no other trial."""
        region = zlib.crc32(f"{self.region}/{self.intervention}".encode())
        return seeded_generator(seed, region, self.row)


class RegionTest(NamedTuple):
    """Say how one region is tested: by which intervention, in which pairs."""

    region: str
    intervention: str
    pairs: Pairs


def region_trials(test: RegionTest, boxes: BoxesByRow, *, shape: tuple[int, int], edge: str) -> list[RegionTrial]:
    """Return the trials of one region: the test both ways, the published move, the sham, and pairs of one class.

    Args:
        test: the region, the intervention and the pairs.
        boxes: of the region.
        shape: (H, W) of the images.
        edge: where moved boxes go, see :func:`cxrshort.interventions.boxes.slide_to_edge`.
    """
    needs = intervention_of(test.intervention).requires
    make = _Maker(test.region, test.intervention, boxes, shape, edge)
    tested = _both_ways(test.pairs, test.intervention)
    trials = [make(TEST, *images) for images in tested]
    published = PUBLISHED_BY.get(test.region, test.intervention)
    if published != test.intervention:
        again = _Maker(test.region, published, boxes, shape, edge)
        trials += [again(PUBLISHED, *images) for images in _both_ways(test.pairs, published)]
    if needs.partners:
        trials += [make(SHAM, images.row, images.row, images.positive, images.pair) for images in tested]
        trials += [
            make(SAME_CLASS, row, partner, positive, pair)
            for pair, (row, partner, positive) in enumerate(same_class_pairs(test.pairs))
        ]
    return trials


def lung_trials(pairs: Pairs, boxes: BoxesByRow) -> list[RegionTrial]:
    """Return the control in the lungs: each image of the pairs takes what its partner shows there."""
    make = _Maker("lungs", "replace", boxes, (0, 0), "")
    return [make(LUNGS, *images) for images in _both_ways(pairs, "replace")]


class _Images(NamedTuple):
    """Name an image, its partner, whether it is positive, and the number of their pair."""

    row: int
    partner: int
    positive: bool
    pair: int


def _both_ways(pairs: Pairs, intervention: str) -> list[_Images]:
    """Return each image of the pairs; a move is of negatives alone."""
    images = []
    for number, (positive, negative) in enumerate(pairs):
        if intervention != "move":
            images.append(_Images(positive, negative, True, number))
        images.append(_Images(negative, positive, False, number))
    return images


@dataclass(frozen=True)
class _Maker:
    """Make trials of one region and one intervention."""

    region: str
    intervention: str
    boxes: BoxesByRow
    shape: tuple[int, int]
    edge: str

    def __call__(self, purpose: str, row: int, partner: int, positive: bool, pair: int) -> RegionTrial:
        """Return the trial of one image."""
        needs, own = intervention_of(self.intervention).requires, self.boxes[row]
        if needs.partners and not needs.partner_boxes and purpose != LUNGS:
            own = with_places(own, self.boxes[partner])
        return RegionTrial(
            self.region,
            self.intervention,
            purpose,
            row,
            positive,
            pair,
            own,
            partner=partner if needs.partners else None,
            partner_boxes=self._partner_boxes(own, partner, purpose) if needs.partner_boxes else None,
            destinations=_slid(own, self.shape, self.edge) if needs.destinations else None,
        )

    def _partner_boxes(self, own: Boxes, partner: int, purpose: str) -> Boxes:
        """Return the boxes whose contents an image takes; a sham takes its own."""
        return own if purpose == SHAM else nearest_boxes(own, self.boxes[partner])


def _slid(boxes: Boxes, shape: tuple[int, int], edge: str) -> Boxes:
    slid: Boxes = slide_to_edge(torch.from_numpy(boxes), shape=shape, edge=edge).numpy()
    return slid


def intervention_of(name: str) -> Intervention:
    """Return an intervention by its name.

    Raises:
        UsageError: there is none of this name.
    """
    intervention: Intervention = load_entry(INTERVENTIONS, name, kind="intervention")
    return intervention


def with_places(boxes: Boxes, others: Boxes) -> Boxes:
    """Return an image's boxes, and those of the partner that lie elsewhere, so that a marker comes with its place.

    Args:
        boxes: (K, 4).
        others: (M, 4).

    Example:
        >>> with_places(np.array([[0, 0, 4, 4]]), np.array([[0, 0, 4, 3], [8, 0, 12, 4]])).tolist()
        [[0, 0, 4, 4], [8, 0, 12, 4]]
    """
    shared = shared_areas(boxes, others)
    joint = box_areas(boxes)[:, None] + box_areas(others) - shared
    elsewhere = (shared < SAME_PLACE * joint).all(axis=0)
    joined: Boxes = np.concatenate([boxes, others[elsewhere]])
    return joined


def nearest_boxes(boxes: Boxes, others: Boxes) -> Boxes:
    """Return for each of an image's boxes the partner's box whose centre is nearest, so that none keeps its contents.

    Of boxes around one centre, the one whose width and height differ least is taken.

    Args:
        boxes: (K, 4).
        others: (M, 4), at least one.

    Example:
        >>> nearest_boxes(np.array([[0, 0, 2, 2], [8, 0, 10, 2]]), np.array([[7, 0, 9, 2]])).tolist()
        [[7, 0, 9, 2], [7, 0, 9, 2]]
    """
    own, theirs = (part[:, :2] + part[:, 2:] for part in (boxes, others))
    distances = ((own[:, None] - theirs[None]) ** 2).sum(axis=2)
    sides, others_sides = (part[:, 2:] - part[:, :2] for part in (boxes, others))
    size_differences = np.abs(sides[:, None] - others_sides[None]).sum(axis=2)
    nearest: Boxes = others[np.lexsort((size_differences, distances), axis=1)[:, 0]]
    return nearest


def has_room(trial: RegionTrial, *, shape: tuple[int, int]) -> bool:
    """Return whether random patches of the size of each tested box have room beside the tested boxes."""
    avoided = [trial.boxes] if trial.destinations is None else [trial.boxes, trial.destinations]
    sides = [(trial.boxes, np.concatenate(avoided))]
    if trial.partner_boxes is not None:
        sides.append((trial.partner_boxes, trial.partner_boxes))
    return all(
        len(free_positions((y1 - y0, x1 - x0), torch.from_numpy(away), shape=shape))
        for boxes, away in sides
        for x0, y0, x1, y1 in np.unique(boxes, axis=0).tolist()
    )


def regions_without_room(trials: Sequence[RegionTrial], *, shape: tuple[int, int]) -> set[tuple[str, str]]:
    """Return the regions and interventions that no random patches can be compared with, in some image at least."""
    return {
        (trial.region, trial.intervention)
        for trial in trials
        if trial.purpose in WITH_NULL and not has_room(trial, shape=shape)
    }
