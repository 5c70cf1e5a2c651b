"""Groups that no column names: slices of images in which a model errs more than its own scores say.

What would invalidate a slice:

- Tested on the images that it was found on. Slices are found on half of the persons and tested on the other half.
- Images assigned to it by their errors. Those of the testing half are assigned by their embedding alone.
- More errors only because its images are hard, and the model says so: near the threshold every model errs. A slice is
  therefore compared with images outside it that have about the same score. What is left is what the score does not
  know: an error that is systematic.
- All slices tested, and the worst one reported. Those with fewer errors than expected in the half that finds them are
  not tested at all, and Holm's method corrects for the others.

The test is a score test of the common difference over `STRATA` strata of scores (Mantel & Haenszel, J. Natl. Cancer
Inst. 22:719, 1959), with the variance of sums by person, one-sided since the direction was fixed beforehand.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t

from cxrshort.errors import DataError
from cxrshort.stats.changes import Interval, rate_interval
from cxrshort.stats.midranks import Bools, Floats, Integers
from cxrshort.stats.mixture import Embeddings, fit_mixture, principal_components
from cxrshort.stats.signed_rank import holm

SLICES = 25
STRATA = 20
"""Quantiles of the scores within which images count as equally sure."""
MINIMUM = 20
"""Images of the testing half below which a slice is not tested."""
_PERSONS = 10
"""Persons below which a slice is not tested."""
_IMAGES_OF_A_SLICE = 20
"""Images of the finding half for each slice, at least: fewer images, fewer slices."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Hold one slice.

    Args:
        number: from 0, as in ``ErrorSlices.numbers``.
        images: in the half that tests.
        persons: in the half that tests.
        errors: share of errors among them, with limits.
        expected: the share that images outside with about the same scores have; None where there are none.
        excess: the common difference over strata of scores, with limits; None where it cannot be computed.
        p: one-sided; None where the slice is not tested.
        p_holm: corrected for all that are tested.
        positives: share of positives among the images.
        probability: their mean predicted probability.
        reason: why it is not tested; "" where it is.
    """

    number: int
    images: int
    persons: int
    errors: Interval | None
    expected: float | None
    excess: Interval | None
    p: float | None
    p_holm: float | None
    positives: float | None
    probability: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ErrorSlices:
    """Hold all slices of one model on one test set.

    Args:
        slices: the tested ones first, by p-value.
        numbers: (N,) slice of each image.
        finding: (N,) whether an image is of the half that the slices were found on.
        components: principal components that were used.
    """

    slices: list[Slice]
    numbers: Integers
    finding: Bools
    components: int


@dataclass(frozen=True, slots=True, eq=False)
class PredictedImages:
    """Hold what slices are made from.

    Args:
        embeddings: (N, D), finite: an array, or what reads rows of a file.
        positive: (N,) whether the target is 1.
        probabilities: (N,) predicted.
        called: (N,) whether the model calls an image positive.
        codes: (N,) person numbers from 0, all in use.
    """

    embeddings: Embeddings
    positive: Bools
    probabilities: Floats
    called: Bools
    codes: Integers

    @property
    def errors(self) -> Bools:
        """Return which images are called what they are not."""
        wrong: Bools = self.positive != self.called
        return wrong


def find_slices(
    images: PredictedImages,
    *,
    rng: np.random.Generator,
    slices: int = SLICES,
    minimum: int = MINIMUM,
    level: float = 0.95,
) -> ErrorSlices:
    """Find slices on half of the persons, and test them on the other half.

    Args:
        images: embeddings, truth and predictions.
        rng: draws the halves, and begins the clusters.
        slices: how many at most.
        minimum: images of the testing half below which a slice is not tested.
        level: coverage of each interval.

    Raises:
        DataError: too few images or persons to halve, no error at all, or embeddings that are not finite or all equal.
    """
    finding = halve_persons(images, rng)
    counts = [int(half.sum()) for half in (finding, ~finding)]
    if min(counts) < 2 * _IMAGES_OF_A_SLICE:
        raise DataError(
            f"halves of {counts[0]} and {counts[1]} images are too few to find slices in and to test them",
            f"at least {2 * _IMAGES_OF_A_SLICE} images each",
        )
    if not images.errors[finding].any() or not images.errors[~finding].any():
        raise DataError("the model makes no error in one half of the persons: there is nothing to find")
    places = [np.flatnonzero(half) for half in (finding, ~finding)]
    projection = principal_components(images.embeddings, places[0])
    components = projection.apply(images.embeddings, places[0])
    mixture = fit_mixture(
        components,
        images.positive[finding].astype(np.float64),
        images.probabilities[finding],
        slices=max(2, min(slices, counts[0] // _IMAGES_OF_A_SLICE)),
        rng=rng,
    )
    numbers = np.empty(len(finding), np.int64)
    numbers[places[0]] = mixture.assign(components)
    numbers[places[1]] = mixture.assign(projection.apply(images.embeddings, places[1]))
    strata = _strata(images.probabilities)
    tested = [
        _judge_slice(images, number, numbers == number, finding, strata, minimum=minimum, level=level)
        for number in range(len(mixture.shares))
    ]
    adjusted = holm([part.p for part in tested])
    corrected = [_with_holm(part, p) for part, p in zip(tested, adjusted, strict=True)]
    corrected.sort(key=lambda part: (part.p is None, part.p or 0.0, -part.images))
    return ErrorSlices(corrected, numbers, finding, projection.axes.shape[1])


def halve_persons(images: PredictedImages, rng: np.random.Generator) -> Bools:
    """Return which images are of the half that finds, (N,): half of the persons with an error, half of the others."""
    persons = int(images.codes.max()) + 1
    with_error = np.bincount(images.codes, weights=images.errors, minlength=persons) > 0
    chosen = np.zeros(persons, bool)
    for stratum in (np.flatnonzero(with_error), np.flatnonzero(~with_error)):
        chosen[rng.permutation(stratum)[: len(stratum) // 2]] = True
    halves: Bools = chosen[images.codes]
    return halves


def _strata(probabilities: Floats) -> Integers:
    """Return the stratum of each image: quantiles of the scores, equal ones never apart."""
    edges = np.unique(np.quantile(probabilities, np.linspace(0, 1, STRATA + 1)[1:-1]))
    return np.searchsorted(edges, probabilities, side="left").astype(np.int64)


def _with_holm(part: Slice, p: float | None) -> Slice:
    return replace(part, p_holm=p)


def _judge_slice(
    images: PredictedImages,
    number: int,
    inside: Bools,
    finding: Bools,
    strata: Integers,
    *,
    minimum: int,
    level: float,
) -> Slice:
    """Test a slice on the half that tests, if it errs more than expected in the half that finds."""
    members = inside & ~finding
    count, persons = int(members.sum()), len(np.unique(images.codes[members]))
    if not count:
        return Slice(number, 0, 0, None, None, None, None, None, None, None, "no image of the testing half")
    rate = rate_interval(images.errors[members], images.codes[members], level=level)
    excess = compare_within_strata(
        images.errors[~finding], inside[~finding], strata[~finding], images.codes[~finding], level=level
    )
    reason = ""
    if count < minimum or persons < _PERSONS:
        reason = f"{count} images of {persons} persons in the testing half"
    elif excess is None:
        reason = "nobody outside has such scores"
    elif not _errs_more(images.errors[finding], inside[finding], strata[finding]):
        reason = "no more errors than expected where it was found"
    return Slice(
        number,
        count,
        persons,
        rate,
        None if excess is None else excess.expected,
        None if excess is None else excess.difference,
        None if reason or excess is None else excess.p,
        None,
        float(images.positive[members].mean()),
        float(images.probabilities[members].mean()),
        reason,
    )


def _errs_more(errors: Bools, inside: Bools, strata: Integers) -> bool:
    return float((inside * (errors - _means(errors.astype(np.float64), strata)[strata])).sum()) > 0


@dataclass(frozen=True, slots=True)
class StratifiedExcess:
    """Hold how many more errors there are inside than outside, within strata.

    Args:
        expected: the share of errors outside, weighted to the strata of the images inside.
        difference: the common difference over strata, with limits.
        p: one-sided, small where there are more errors inside.
    """

    expected: float
    difference: Interval
    p: float


def compare_within_strata(
    errors: Bools, inside: Bools, strata: Integers, codes: Integers, *, level: float = 0.95
) -> StratifiedExcess | None:
    """Compare the shares of errors inside and outside within strata.

    Args:
        errors: (N,) which images are errors.
        inside: (N,) which images are of the group.
        strata: (N,) from 0; those with images on one side alone are left out.
        codes: (N,) person numbers.
        level: coverage of the interval.

    Returns:
        The comparison; None where no stratum has images on both sides.

    Example:
        >>> inside, errors = np.arange(400) < 100, np.arange(400) % 4 == 0  # as many errors inside as outside
        >>> comparison = compare_within_strata(errors, inside, np.zeros(400, np.int64), np.arange(400))
        >>> f"{comparison.expected:.2f}, difference {comparison.difference.value:.2f}, p {comparison.p:.2f}"
        '0.25, difference 0.00, p 0.50'
    """
    values, members = errors.astype(np.float64), inside.astype(np.float64)
    images, own = np.bincount(strata), np.bincount(strata, weights=members)
    both = ((own > 0) & (own < images))[strata]
    if not both.any():
        return None
    values, members, strata, codes = values[both], members[both], strata[both], codes[both]
    images, own = np.bincount(strata), np.bincount(strata, weights=members)
    hits, all_hits = np.bincount(strata, weights=members * values), np.bincount(strata, weights=values)
    filled = np.maximum(images, 1)
    lean, excess = members - (own / filled)[strata], values - (all_hits / filled)[strata]
    pull = lean * excess
    by_person = np.bincount(codes, weights=pull)
    persons = int(np.count_nonzero(np.bincount(codes)))
    spread = math.sqrt(float((by_person**2).sum()))
    freedom = max(1, min(len(np.unique(codes[members == 1])), persons) - 1)
    p = float(t.sf(float(pull.sum()) / spread, freedom)) if spread > 0 else 1.0
    inner, outer = hits / np.maximum(own, 1), (all_hits - hits) / np.maximum(images - own, 1)
    weights = own * (images - own) / filled
    value = float((weights * (inner - outer)).sum() / weights.sum())
    # The difference is the slope of errors on membership within strata, so its error comes from that line's residuals:
    # the scatter within a stratum and side is nothing where an image stands there alone.
    moved = lean * (excess - value * lean)
    error = math.sqrt(float((np.bincount(codes, weights=moved) ** 2).sum()) * (freedom + 1) / freedom) / weights.sum()
    half = float(t.ppf(0.5 + level / 2, freedom)) * error
    expected = float((own * outer).sum() / own.sum())
    return StratifiedExcess(expected, Interval(value, max(-1.0, value - half), min(1.0, value + half)), p)


def _means(values: Floats, strata: Integers) -> Floats:
    means: Floats = np.bincount(strata, weights=values) / np.maximum(np.bincount(strata), 1)
    return means
