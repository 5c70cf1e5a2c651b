"""The pictures of a swap-test: a null for each region, strips of images before and after, and the population."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from cxrshort.dataset import Dataset
from cxrshort.figures.swap_strips import MOST_STRIPS, Strip, draw_strips
from cxrshort.figures.swap_test import NullPanel, PopulationBox, draw_null, draw_population
from cxrshort.images.prefetch import Source
from cxrshort.interventions.random_patches import edit_image
from cxrshort.interventions.trial_scores import as_tensors, to_unit
from cxrshort.interventions.trials import RegionTrial, intervention_of
from cxrshort.runs import Run
from cxrshort.stats.region_effects import predicted_changes
from cxrshort.stats.swap_findings import PUBLISHED, TEST, SwapChanges
from cxrshort.stats.verdicts import NOT_TESTABLE, Verdict

STRIPS, POPULATION = "strips.png", "population.png"
_PANELS = 6
"""Images of a region whose nulls are drawn, from the weakest to the strongest change."""
_STRIPS_OF_REGION = 2
_MOST_REGIONS = 12


class Drawn(NamedTuple):
    """Hold what figures are drawn from."""

    trials: Sequence[RegionTrial]
    changes: SwapChanges
    verdicts: Sequence[Verdict]
    data: Dataset
    pixels: Source
    label: str


def draw_figures(run: Run, drawn: Drawn, *, margin: float) -> list[Path]:
    """Draw all figures into a run folder, and return their names within it."""
    tested = [verdict for verdict in drawn.verdicts if verdict.verdict != NOT_TESTABLE]
    names: list[str] = []
    for verdict in tested:
        name = _null_name(verdict.region, taken=names)
        if _draw_region_null(drawn, verdict, run, name):
            names.append(name)
    if tested:
        strips = [row for verdict in tested for row in _strip_rows(drawn.changes, verdict.region)][:MOST_STRIPS]
        draw_strips(
            [_strip(drawn, row) for row in strips],
            run.path(STRIPS),
            title=f"{drawn.label}: the image of the median change in each class",
        )
        boxes = [_population_box(drawn.changes, verdict) for verdict in tested[:_MOST_REGIONS]]
        draw_population(boxes, run.path(POPULATION), title=f"{drawn.label}: change by region", margin=margin)
        names += [STRIPS, POPULATION]
    return [Path(name) for name in names]


def _typical(trials: pd.DataFrame, count: int) -> list[int]:
    """Return rows from the weakest to the strongest change in the predicted direction, as many of both roles.

    They stand at even distances in the order of all changes, so that the strongest ones alone do not accuse by eye.
    """
    if not len(trials):
        return []
    predicted = predicted_changes(trials["change"], trials["direction"].tolist())
    ordered = trials.assign(predicted=predicted).sort_values("predicted", kind="stable")
    roles = [part for _, part in ordered.groupby("role", sort=True)]
    share = -(-count // len(roles))
    places = (np.arange(share) + 0.5) / share
    return [int(part.index[int(place * len(part))]) for place in places for part in roles][:count]


def _draw_region_null(drawn: Drawn, verdict: Verdict, run: Run, name: str) -> bool:
    """Draw the null of some images of a region; return whether it has one."""
    trials = drawn.changes.of(verdict.region, TEST)
    random_changes = drawn.changes.random_changes(trials)
    if random_changes is None:
        return False
    panels = []
    for row in _typical(trials, _PANELS):
        trial = drawn.changes.table.loc[row].to_dict()
        null = random_changes[list(trials.index).index(row)]
        title = f"{trial['image_id']}, {trial['role']}"
        panels.append(
            NullPanel(title, null, float(trial["change"]), float(trial["empirical_p"]), str(trial["direction"]))
        )
    draw_null(
        panels,
        run.path(name),
        title=f"{verdict.region}, {verdict.verdict}: {len(panels)} images from the weakest to the strongest change",
    )
    return True


def _null_name(region: str, *, taken: Sequence[str]) -> str:
    """Return the file name of a region's null; regions that differ in blanks and slashes alone are numbered."""
    stem = f"null-{region.replace(' ', '-').replace('/', '-')}"
    names = itertools.chain([f"{stem}.png"], (f"{stem}-{number}.png" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _strip_rows(changes: SwapChanges, region: str) -> list[int]:
    return _typical(changes.of(region, TEST), _STRIPS_OF_REGION) + _typical(changes.of(region, PUBLISHED), 1)


def _strip(drawn: Drawn, row: int) -> Strip:
    """Return an image before and after a trial, and its partner."""
    trial, facts = drawn.trials[row], drawn.changes.table.loc[row].to_dict()
    device = torch.device("cpu")
    before = to_unit(drawn.pixels.take(np.array([trial.row])), device)[0]
    tensors = as_tensors(trial, drawn.pixels, device=device)
    after = edit_image(before, intervention_of(trial.intervention), trial=tensors)
    nowhere = np.zeros((0, 4), np.int64)
    return Strip(
        image_id=str(facts["image_id"]),
        region=f"{trial.region}, {trial.intervention}",
        role=str(facts["role"]),
        before=_grey(before),
        after=_grey(after),
        logit_before=float(facts["before"]),
        logit_after=float(facts["after"]),
        boxes=trial.boxes,
        destinations=nowhere if trial.destinations is None else trial.destinations,
        partner=None if tensors.partner is None else _grey(tensors.partner),
        partner_id=str(facts["partner"]),
        partner_boxes=trial.boxes if trial.partner_boxes is None else trial.partner_boxes,
    )


def _grey(image: torch.Tensor) -> npt.NDArray[np.uint8]:
    pixels: npt.NDArray[np.uint8] = (image.mean(dim=0) * 255).round().byte().numpy()
    return pixels


def _population_box(changes: SwapChanges, verdict: Verdict) -> PopulationBox:
    trials = changes.of(verdict.region, TEST)
    directions = trials["direction"].tolist()
    random_changes = changes.random_changes(trials)
    if random_changes is None:
        random_changes = np.zeros((len(trials), 1))
    return PopulationBox(
        verdict.region,
        verdict.verdict,
        predicted_changes(trials["change"], directions) / changes.spread,
        predicted_changes(random_changes, directions).mean(axis=1) / changes.spread,
    )
