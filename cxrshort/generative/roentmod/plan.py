"""The plan of an edited dataset: which images are edited, and a row for each image, prompt and repetition.

What would invalidate comparisons of edits: images that have the finding already, so that only images without findings
are taken unless asked otherwise; and edits without their sham, so that each image and repetition has one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.dataset import Dataset
from cxrshort.datasets.building.edits import edited_rows
from cxrshort.datasets.cohorts import sample_rows
from cxrshort.errors import DataError, UsageError
from cxrshort.expressions import select_rows
from cxrshort.generative.roentmod.contract import Prompt
from cxrshort.generative.roentmod.prompts import ROUND_TRIP
from cxrshort.generative.roentmod.seeds import edit_seed
from cxrshort.quantities import quantity

_ALL_IMAGES = "--all-images edits images with findings too"


def choose_sources(
    data: Dataset, *, where: str = "", all_images: bool = False, sample: int | None = None, seed: int = 0
) -> tuple[Dataset, list[str]]:
    """Return the images to edit, and what must be known of the choice.

    Args:
        data: a fold.
        where: an expression that rows must fulfil; "" takes all.
        all_images: whether images with findings are edited too.
        sample: at most so many images, drawn by a hash of the seed and their names.
        seed: of that draw.

    Raises:
        UsageError: no row fulfils the expression, or a sample below 1.
        DataError: no image is without findings, or nothing says which are; or the images have colours.
    """
    manifest, notes = data.manifest, list[str]()
    if len(data.pixels.image_shape) != 2:
        raise DataError(f"{data.name}: its images have colours, and editors take radiographs", "choose another dataset")
    if sample is not None and sample < 1:
        raise UsageError(f"--sample is '{sample}', it must be 1 or more", "leave it out to edit all images")
    if where:
        manifest = manifest[select_rows(manifest, where)]
        if manifest.empty:
            raise UsageError(f"{data.name}: no image fulfils '{where}'", "--where keeps the images that fulfil it")
    if not all_images:
        manifest, notes = _without_findings(data, manifest)
    if edited := int(manifest.get("edit", pd.Series(dtype=str)).fillna("").astype(str).ne("").sum()):
        count = f"of {len(manifest):,} images"
        repeated = quantity(edited, f"{count} is an edit already, and is", f"{count} are edits already, and are")
        notes.append(f"{repeated} edited again")
    if sample is not None and sample < len(manifest):
        count = f"of {len(manifest):,} images"
        notes.append(f"{quantity(sample, f'{count} is', f'{count} are')} drawn by a hash of their names")
        manifest = manifest[sample_rows(manifest["image_id"], sample, seed=seed)]
    return replace(data, manifest=manifest.reset_index(drop=True)), notes


def _without_findings(data: Dataset, manifest: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows in which no label is above 0 and at least one is filled in."""
    if not data.labels:
        raise DataError(f"{data.name} has no labels that would say which images have no finding", _ALL_IMAGES)
    values = manifest[data.labels].to_numpy(dtype=np.float64)
    present, filled = (values > 0).any(axis=1), np.isfinite(values)
    chosen = manifest[~present & filled.any(axis=1)]
    if chosen.empty:
        unlabelled = int((~filled.any(axis=1)).sum())
        rest = f", {unlabelled:,} without any label" if unlabelled else ""
        count = f"of {len(manifest):,}"
        raise DataError(
            f"{data.name}: no image without findings, "
            f"{quantity(int(present.sum()), f'{count} has one', f'{count} have one')}{rest}",
            _ALL_IMAGES,
        )
    partly = int((~filled.all(axis=1) & ~present & filled.any(axis=1)).sum())
    count = f"of {len(manifest):,} images"
    edited = quantity(int(present.sum()), f"{count} has a finding and is", f"{count} have a finding and are")
    notes = [f"{edited} not edited ({_ALL_IMAGES})"]
    if partly:
        count = quantity(partly, "of the images that are edited lacks", "of the images that are edited lack")
        notes.append(f"{count} some labels, and may have those findings")
    return chosen, notes if present.any() else notes[1:]


def plan_edits(
    manifest: pd.DataFrame,
    prompts: Sequence[Prompt],
    *,
    repetitions: int = 1,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the rows of edits with the labels of their sources: those that add noise by image, then round trips.

    Args:
        manifest: the sources.
        prompts: edits of each image, the sham among them.
        repetitions: of each edit, with other noise; a round trip is made once.
        seed: 0 or more.
        parameters: settings of the editor, the same for all edits; each stands in ``edit_parameters``, a number in a
            column of its own too.

    Raises:
        UsageError: no repetition.
    """
    if repetitions < 1:
        raise UsageError(f"--repetitions is '{repetitions}', it must be 1 or more", "each draws other noise")
    edits = [(prompt, number) for number in range(repetitions) for prompt in prompts]
    positions = [place for place in range(len(manifest)) for _ in edits]
    every = [*(edits * len(manifest)), *([(ROUND_TRIP, 0)] * len(manifest))]
    rows = edited_rows(
        manifest,
        [*positions, *range(len(manifest))],
        [prompt.edit for prompt, _ in every],
        repetitions=[number for _, number in every],
    )
    settings = dict(parameters or {})
    trips = np.arange(len(rows)) >= len(positions)
    columns = {
        f"edit_{name}": np.where(trips, np.nan, float(value))
        for name, value in settings.items()
        if type(value) in (int, float)
    }
    return rows.assign(
        edit_prompt=[prompt.text for prompt, _ in every],
        edit_label=[prompt.label for prompt, _ in every],
        edit_seed=[
            edit_seed(seed, name, number) for name, (_, number) in zip(rows["source_image_id"], every, strict=True)
        ],
        edit_parameters=np.where(trips, "", json.dumps(settings, sort_keys=True)),
        **columns,
    )
