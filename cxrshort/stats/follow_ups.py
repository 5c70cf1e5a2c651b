"""Pairs of real images of one person between which a finding has appeared.

The earlier image is labelled as free of the finding, the later one as showing it. Order and distance in time are those
of the dates; where a person's images have none, those of the ages, and within a year of age of the names, as in
ChestX-ray14, whose file names count the follow-ups. What would mislead: two images of one examination, which are no
pair here, and labels that were read from reports in different ways before and after.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cxrshort.stats.leakage import read_days
from cxrshort.stats.midranks import Floats, Integers

DAYS_PER_YEAR = 365.0
"""So that 730 days are two years of age."""
WITHIN_DAYS = 730
"""The published limit: two years."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowUps:
    """Hold pairs of images, at most one for each person.

    Args:
        earlier: (P,) positions of the images without the finding.
        later: (P,) positions of those with it.
        by_age: (P,) whether order and distance are of ages.
        eligible: how many pairs there were to choose from.
    """

    earlier: Integers
    later: Integers
    by_age: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
    eligible: int

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.earlier)


def find_follow_ups(
    images: pd.DataFrame,
    finding: ArrayLike,
    *,
    rng: np.random.Generator,
    within_days: float = WITHIN_DAYS,
    preferred: Collection[str] = (),
) -> FollowUps:
    """Return a pair of images for each person in whom a finding appears within a time.

    Of several pairs of a person one is drawn, of those whose earlier image is preferred if there are any.

    Args:
        images: ``image_id`` and ``person_id``; of ``study_date``, ``age_years`` and ``study_id`` what there is.
        finding: (N,) 1 where it is present, 0 where it is absent, NaN where that is not known.
        rng: draws one of the pairs of a person.
        within_days: from the earlier image to the later one, at most.
        preferred: names of images that the earlier one should be among.

    Raises:
        DataError: no date can be read.
    """
    truth = np.asarray(finding, np.float64)
    persons = images["person_id"].to_numpy(dtype=object)
    concerned = set(persons[truth == 1]) & set(persons[truth == 0])
    rows = np.flatnonzero(pd.Series(persons).isin(concerned) & np.isin(truth, (0, 1)))
    part = images.iloc[rows].reset_index(drop=True)
    days = read_days(_column(part, "study_date"), name="study_date") if len(part) else np.empty((0, 2))
    ages = _column(part, "age_years", number=True).to_numpy(dtype=np.float64)
    order: Floats = np.asarray(_numbered(part["image_id"]).rank(method="first"), dtype=np.float64)
    study = _column(part, "study_id").to_numpy(dtype=object)
    favourites = part["image_id"].isin(list(preferred)).to_numpy()
    chosen: list[tuple[int, int, bool]] = []
    eligible = 0
    for _, places in part.groupby("person_id", sort=True).groups.items():
        own = np.asarray(places, dtype=np.int64)
        before, after = own[truth[rows[own]] == 0], own[truth[rows[own]] == 1]
        first, second = (grid.ravel() for grid in np.meshgrid(before, after, indexing="ij"))
        follows, by_age = _follows(days, ages, order, first=first, second=second, limit=within_days)
        follows &= (study[first] != study[second]) | (study[first] == "")
        eligible += int(follows.sum())
        candidates = np.flatnonzero(follows)
        candidates = candidates[favourites[first[candidates]]] if favourites[first[candidates]].any() else candidates
        if len(candidates):
            pick = int(candidates[rng.integers(len(candidates))])
            chosen.append((int(rows[first[pick]]), int(rows[second[pick]]), bool(by_age[pick])))
    table = np.array(chosen, dtype=np.int64).reshape(-1, 3)
    return FollowUps(table[:, 0], table[:, 1], table[:, 2].astype(bool), eligible)


def _column(images: pd.DataFrame, name: str, *, number: bool = False) -> "pd.Series[str]":
    """Return a column as text or numbers; an empty one where there is none."""
    if number:
        values = images[name] if name in images else pd.Series(np.nan, images.index)
        return pd.to_numeric(values, errors="coerce")
    return images[name].fillna("").astype(str) if name in images else pd.Series("", images.index, dtype=str)


def _numbered(names: "pd.Series[str]") -> "pd.Series[str]":
    """Return names in which numbers sort by their size: study2 before study10."""
    return names.astype(str).str.replace(r"\d+", lambda match: match[0].zfill(12), regex=True)


def _follows(
    days: Floats, ages: Floats, order: Floats, *, first: Integers, second: Integers, limit: float
) -> tuple["np.ndarray[tuple[int], np.dtype[np.bool_]]", "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """Return which second images follow the first ones in time, and whether ages say so.

    Dates of which months or days are not known must leave no doubt.
    """
    dated = np.isfinite(days[first, 0]) & np.isfinite(days[second, 0])
    with np.errstate(invalid="ignore"):
        later = days[second, 0] > days[first, 1]
        near = days[second, 1] - days[first, 0] <= limit
        years = ages[second] - ages[first]
        older = (years > 0) | ((years == 0) & (order[second] > order[first]))
        by_age = ~dated & np.isfinite(years)
        close = years * DAYS_PER_YEAR <= limit
    return np.where(dated, later & near, by_age & older & close), by_age
