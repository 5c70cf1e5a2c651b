"""Shares of images in which readers see a finding, from answers 0 (absent), 1 (present) and 2 (unsure).

Readings of one image are averaged first, so that an image that many read counts as much as one that one reader read;
the unit of every interval is the person. What would mislead: unsure answers that are counted as seen (the published
coding leaves the rule open, so that it is an option here), blanks that are counted as absent where the sheet was not
read, and second readings of one reader as if they were another reader's.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cxrshort.registry import check_name
from cxrshort.stats.bootstrap import percentile_interval, resample
from cxrshort.stats.changes import Interval, rate_interval
from cxrshort.stats.midranks import Floats, number_persons

ABSENT, PRESENT, UNSURE = 0, 1, 2
RULES = ("drop", "half")
"""What an unsure answer counts as: nothing at all, or half a finding."""
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Share:
    """Hold the share of images in which a finding is seen.

    Args:
        interval: 0 to 1; NaN where nobody answered.
        images: with an answer that counts.
        persons: of whom these are.
        readings: answers that count.
        unsure: answers 2 among all that were given.
    """

    interval: Interval
    images: int
    persons: int
    readings: int
    unsure: int


def as_values(answers: ArrayLike, rule: str) -> Floats:
    """Return what answers count as: 0, 1, and for unsure ones nothing (NaN) or a half.

    Args:
        answers: 0, 1, 2, or NaN where there is none.
        rule: one of :data:`RULES`.

    Raises:
        UsageError: another rule.

    Example:
        >>> as_values([0, 1, 2], "half")
        array([0. , 1. , 0.5])
    """
    check_name(RULES, rule, kind="rule for unsure answers")
    values = np.array(answers, np.float64)
    values[values == UNSURE] = np.nan if rule == "drop" else 0.5
    return values


def seen_share(answers: ArrayLike, images: ArrayLike, persons: ArrayLike, *, rule: str = "drop") -> Share:
    """Return the share of images in which readers see a finding, with limits for clustered images.

    Args:
        answers: (N,) one for each reading, as :func:`as_values` takes them.
        images: (N,) which image was read.
        persons: (N,) whose image it is.
        rule: one of :data:`RULES`.

    Raises:
        UsageError: another rule.
        DataError: a reading without a person.

    Example:
        >>> share = seen_share([1, 1, 0, 2], ["a", "a", "b", "c"], ["P", "P", "Q", "R"])
        >>> share.interval.value, share.images, share.readings, share.unsure
        (0.5, 2, 3, 1)
    """
    stated = np.asarray(answers, np.float64)
    means = _image_means(answers, images, persons, rule)
    unsure, readings = int((stated == UNSURE).sum()), int(np.isfinite(as_values(answers, rule)).sum())
    if means.empty:
        return Share(Interval(np.nan, np.nan, np.nan), 0, 0, 0, unsure)
    interval = rate_interval(means["value"].to_numpy(np.float64), means["person"].to_numpy(object))
    return Share(interval, len(means), means["person"].nunique(), readings, unsure)


def _image_means(answers: ArrayLike, images: ArrayLike, persons: ArrayLike, rule: str) -> pd.DataFrame:
    """Return the mean value of each image that has one, and whose image it is."""
    table = pd.DataFrame(
        {
            "image": np.asarray(images, object),
            "person": np.asarray(persons, object),
            "value": as_values(answers, rule),
        }
    ).dropna(subset=["value"])
    return table.groupby("image", sort=False).agg(person=("person", "first"), value=("value", "mean")).reset_index()


def share_difference(
    answers: ArrayLike,
    images: ArrayLike,
    persons: ArrayLike,
    *,
    in_first: ArrayLike,
    rule: str = "drop",
    rng: np.random.Generator,
) -> Interval:
    """Return how much larger the share is among some images than among all others, with limits over persons.

    Edits of one person lie on both sides, so that persons are drawn with the images of both.

    Args:
        answers: (N,) as for :func:`seen_share`.
        images: (N,) as for :func:`seen_share`.
        persons: (N,) as for :func:`seen_share`.
        in_first: (N,) whether the image is one of those.
        rule: one of :data:`RULES`.
        rng: the only source of randomness.

    Returns:
        The difference; NaN where one side has no answer, limits NaN where there is one person.
    """
    first = np.asarray(in_first, bool)
    both = []
    for side in (first, ~first):
        names, owners = np.asarray(images, object)[side], np.asarray(persons, object)[side]
        both.append(_image_means(np.asarray(answers, np.float64)[side], names, owners, rule))
    if any(means.empty for means in both):
        return Interval(np.nan, np.nan, np.nan)
    value = float(both[0]["value"].mean() - both[1]["value"].mean())
    codes = number_persons(np.concatenate([means["person"] for means in both]), sum(map(len, both)))
    people = int(codes.max()) + 1
    sums, counts = np.zeros((2, people)), np.zeros((2, people))
    for row, (means, own) in enumerate(zip(both, (codes[: len(both[0])], codes[len(both[0]) :]), strict=True)):
        sums[row] = np.bincount(own, weights=means["value"].to_numpy(np.float64), minlength=people)
        counts[row] = np.bincount(own, minlength=people)
    if people < 2:
        return Interval(value, np.nan, np.nan)

    def difference(weights: Floats) -> Floats:
        sizes = weights @ counts.T
        shares = np.where(sizes > 0, weights @ sums.T / np.maximum(sizes, 1), np.nan)
        return (shares[:, :1] - shares[:, 1:]).astype(np.float64)

    draws = resample(difference, strata=np.zeros(people, np.int64), draws=DRAWS, rng=rng)
    return Interval(value, *percentile_interval(draws.values[:, 0]))
