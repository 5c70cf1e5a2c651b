"""Near-identical images of different persons, within a dataset and between datasets, and the sheet that shows them.

Pairs are found as build-dataset finds them (:mod:`cxrshort.datasets.building.duplicates`), on images reduced to 64
pixels, so that datasets of different sizes can be compared. Measured on 1,619 radiographs of ChestX-ray14 and of
GitHub-COVID: 3,300 of 3,300 copies were found that had been compressed (JPEG 30 and 75), halved, reduced to 128 pixels,
changed in contrast, brightness or gamma by 20 to 25 %, cropped by 3 %, or several of these; of 1.3 million pairs of
different persons none was called identical but the 10 true copies. Three pairs of one person on different days were,
at correlations of 0.76 to 0.80: such a pair leaks a person, if not an image.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrshort.datasets.building.duplicates import find_duplicates
from cxrshort.images.reduction import reduce_image, reduce_images
from cxrshort.stats.leakage import Cohort, crossing_pairs
from cxrshort.verbs.stats.cohort_tables import CohortTable

SHEET = "near-identical.png"
SIDE = 64
"""Pixels at which images are compared; smaller ones no longer show what tells two persons apart."""
SAME_FILM = 0.85
"""Correlation from which a pair is certainly one film: films of one person on different days reach 0.80."""
MOST_SHOWN = 18
"""Pairs on a sheet."""

_SHOWN_SIDE = 224
_NAME = 25
"""Characters of a name below a picture."""


@dataclass(frozen=True, slots=True, eq=False)
class NearIdentical:
    """Hold the near-identical images of one dataset, or of two.

    Args:
        table: ``first, second`` (datasets), ``image_first, image_second, person_first, person_second, folds_first,
            folds_second, correlation, crosses``, and ``row_first, row_second``.
        compared: images that were compared.
        side: pixels at which they were compared.
    """

    table: pd.DataFrame
    compared: int
    side: int


def find_near_identical(tables: Sequence[CohortTable], *, jobs: int = 1) -> dict[tuple[str, str], NearIdentical]:
    """Return the near-identical images of different persons.

    Args:
        tables: datasets with pixels.
        jobs: pairs that are registered at the same time.

    Returns:
        For each pair of names of datasets, the same name twice for pairs within one.
    """
    pixels = [table.pixels for table in tables if table.pixels is not None]
    side = min([SIDE, *(min(images.image_shape[-2:]) for images in pixels)])
    reduced = np.concatenate([reduce_images(images, side) for images in pixels])
    sizes = [len(images) for images in pixels]
    starts = np.cumsum([0, *sizes])
    groups = np.concatenate([_persons(table) for table in tables])
    matches = find_duplicates(reduced, groups.tolist(), jobs=jobs)
    places = np.array([(first, second) for first, second, _ in matches], dtype=np.int64).reshape(-1, 2)
    correlations = np.array([correlation for _, _, correlation in matches])
    owners = np.searchsorted(starts, places, side="right") - 1
    results = {}
    for first in range(len(tables)):
        for second in range(first, len(tables)):
            kept = (owners[:, 0] == first) & (owners[:, 1] == second)
            pair = tables[first].cohort, tables[second].cohort
            rows = places[kept] - starts[owners[kept]]
            compared = sizes[first] if first == second else sizes[first] + sizes[second]
            table = _describe(pair, rows, correlations[kept])
            results[pair[0].name, pair[1].name] = NearIdentical(table, compared, side)
    return results


def _persons(table: CohortTable) -> NDArray[Any]:
    """Return the person of each row; a row whose person is unknown is of a person of its own."""
    cohort = table.cohort
    own = np.array([f"\0{cohort.name}\0{row}" for row in range(len(cohort.rows))], dtype=object)
    if "person" not in cohort.rows:
        return own
    persons = cohort.rows["person"].to_numpy(dtype=object)
    return np.where(persons == "", own, persons)


def _describe(cohorts: tuple[Cohort, Cohort], rows: NDArray[np.int64], correlations: NDArray[Any]) -> pd.DataFrame:
    table: dict[str, Any] = {}
    for place, (cohort, end) in enumerate(zip(cohorts, ("first", "second"), strict=True)):
        own = rows[:, place]
        table[end] = cohort.name
        table[f"row_{end}"] = own
        for kind in ("image", "person"):
            table[f"{kind}_{end}"] = cohort.rows[kind].to_numpy()[own] if kind in cohort.rows else ""
        table[f"folds_{end}"] = [_folds_of(cohort, row) for row in own]
    table["correlation"] = correlations
    table["crosses"] = crossing_pairs(*cohorts, rows)
    return pd.DataFrame(table, index=range(len(rows)))


def _folds_of(cohort: Cohort, row: int) -> str:
    """Return the folds that a row is in, once where all replicates agree."""
    folds = [str(folds[row]) for folds in cohort.folds.values()]
    return " ".join(folds[:1] if len(set(folds)) == 1 else folds)


def drawing(
    tables: Sequence[CohortTable], pairs: pd.DataFrame
) -> Callable[[Callable[[str], Path]], Sequence[Path]] | None:
    """Return what draws the pairs side by side, those that cross folds first; None where there is no pair."""
    if pairs.empty:
        return None
    shown = pairs.sort_values(["crosses", "correlation"], ascending=False, kind="stable").head(MOST_SHOWN)
    pixels = {table.cohort.name: table.pixels for table in tables}

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.plots import contact_sheet

        images, captions = [], []
        for pair in shown.to_dict("records"):
            for end in ("first", "second"):
                own = pixels[pair[end]]
                if own is not None:
                    images.append(reduce_image(own.take([int(pair[f"row_{end}"])])[0], _SHOWN_SIDE))
                    captions.append(_caption(pair, end))
        return [contact_sheet(np.stack(images), captions, path(SHEET), columns=2 * min(3, len(shown)))]

    return draw


def _caption(pair: Mapping[Any, Any], end: str) -> str:
    """Return the dataset and the fold, the image, and once the correlation."""
    name = str(pair[f"image_{end}"]).rpartition("/")[2]
    where = f"{pair[end]}, {pair[f'folds_{end}']}" if pair[f"folds_{end}"] else str(pair[end])
    return "\n".join((where[:_NAME], name[:_NAME], f"r = {pair['correlation']:.2f}" if end == "first" else ""))
