"""Calibration: whether a predicted probability of 20 % means that 20 of 100 such images have the finding.

What would invalidate the numbers:

- Scores that are no probabilities: those of swapped or edited images as bare logits, or of a model trained with
  weights for a rare class. Everything outside [0, 1] is refused.
- A test set whose prevalence is not that of the place of use: observed:expected, intercept and Brier score follow it.
- An ECE without its bins. It depends on their number and rule, is above 0 for every finite test set, and a perfectly
  calibrated model reaches ``chance_ece`` on so many images: compare with that before calling a model miscalibrated.
- Several images of one person without person ids.

Van Calster et al., Lancet Digit. Health 7:100916 (2025), count the calibration plot and the distribution of predicted
probabilities in each class among the four essentials. Sources: Murphy, J. Appl. Meteorol. 12:595 (1973), with the term
within bins of Stephenson et al., Weather Forecast. 23:752 (2008); Cox, Biometrika 45:562 (1958) for slope and
intercept; Naeini et al., AAAI 2015 for the ECE.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import logit
from scipy.stats import t

from cxrshort.errors import DataError
from cxrshort.stats.auc import check_level
from cxrshort.stats.bootstrap import percentile_interval, resample
from cxrshort.stats.changes import Interval
from cxrshort.stats.logistic import fit_logistic, is_separated
from cxrshort.stats.midranks import Bools, Floats, Integers, check_rows
from cxrshort.stats.reliability import ProbabilityRows, bin_edges, bin_numbers, check_probabilities

DRAWS = 1000
"""Resamples of persons; 100,000 images of 40,000 persons take about 0.9 s on one core."""
PARTS = 6
"""Fields of `BrierParts`."""

FEWEST_PERSONS = 30
"""Persons of a class below which intervals may be too narrow. Lowest coverage of nominal 95 % limits over AUCs of 0.5
to 0.99 (``tests/studies/interval_coverage.py``): with 2 to 5 positive persons 79 % of the intercept, 80 % of the slope,
70 % of the Brier score; with 10 to 25 persons 90, 89 and 84 %; with 60 and 100 persons 94, 92 and 91 %. Limits of
observed:expected held the truth in 93 to 99 % throughout."""

EDGE = 1e-6
"""Probabilities closer to 0 or 1 are moved there before their logit is taken, and counted."""


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Hold the Brier score as a sum: reliability - resolution + uncertainty + within.

    Args:
        score: mean squared difference of probability and truth, in [0, 1], lower is better.
        reliability: mean squared difference of mean probability and observed rate in bins; 0 is perfect.
        resolution: variance of the observed rate over bins; larger is better.
        uncertainty: prevalence * (1 - prevalence): the score of the prevalence as a constant prediction.
        within: what the spread of probabilities within bins adds; 0 where each bin holds one probability.
        skill: 1 - score / uncertainty: 0 for the constant prevalence, 1 for perfection.
    """

    score: Interval
    reliability: Interval
    resolution: Interval
    uncertainty: Interval
    within: Interval
    skill: Interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """Hold how well probabilities are calibrated.

    Args:
        brier: Brier score and its parts, in bins of equal width.
        ece_width: expected calibration error in bins of equal width.
        ece_mass: expected calibration error in bins of about equally many images.
        chance_ece: the two errors that a perfectly calibrated model with these probabilities has on average on so many
            independent images, (width, mass).
        slope: of the truth on the logit; 1 is perfect, below 1 the probabilities are too extreme. None where the logit
            separates the classes, or all logits are equal.
        intercept: calibration in the large, with a slope of 1: log-odds that are missing; 0 is perfect.
        observed_to_expected: observed positives over the sum of probabilities; 1 is perfect.
        positives: images with target 1.
        negatives: images with target 0.
        persons: among them, all images persons of their own where no person ids were given.
        left_out: images whose target is neither 0 nor 1.
        clipped: probabilities moved to within [`EDGE`, 1 - `EDGE`] for slope and intercept.
        bins: how many bins were asked for.
        level: coverage of all intervals.
        reason: why the slope is missing; "" when it is not.
    """

    brier: BrierParts
    ece_width: Interval
    ece_mass: Interval
    chance_ece: tuple[float, float]
    slope: Interval | None
    intercept: Interval
    observed_to_expected: Interval
    positives: int
    negatives: int
    persons: int
    left_out: int
    clipped: int
    bins: int
    level: float
    reason: str = ""


def calibration(
    targets: ArrayLike,
    probabilities: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    rng: np.random.Generator,
    bins: int = 10,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Calibration:
    """Measure calibration, with intervals clustered by person.

    Brier score and its parts have percentile intervals of persons drawn again, in the bins of the whole sample. The
    interval of the ECE is of the true one: chance adds to every estimate, so the estimate itself may lie above it, and
    a lower limit of 0 means that no miscalibration is shown. Slope and intercept have sandwich errors,
    observed:expected one of its logarithm.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out and counted.
        probabilities: (N,) in [0, 1].
        clusters: (N,) person ids; None where every row is a person of its own.
        rng: draws persons, and targets for ``chance_ece``.
        bins: bins of the ECE and of the Brier score's parts.
        level: coverage in (0, 1).
        draws: resamples.

    Raises:
        DataError: one class, fewer than two persons, NaN, a number outside [0, 1], lengths that differ.
        UsageError: a level outside (0, 1), or no bin.

    Example:
        >>> truth = np.tile([0, 0, 0, 1, 0, 1, 1, 1], 25)
        >>> measurement = calibration(truth, np.tile([0.25] * 4 + [0.75] * 4, 25), rng=np.random.default_rng(0))
        >>> brier, ratio = measurement.brier.score, measurement.observed_to_expected
        >>> f"{brier.value:.4f}, slope {measurement.slope.value:.2f}, O:E {ratio.value:.2f}"
        '0.1875, slope 1.00, O:E 1.00'
    """
    check_level(level)
    rows = check_probabilities(targets, probabilities, clusters, bins)
    positives = _check_classes(rows)
    membership = [
        bin_numbers(rows.probabilities, bin_edges(rows.probabilities, bins, rule)) for rule in ("width", "mass")
    ]
    brier, errors = _resampled(rows, membership, rng=rng, level=level, draws=draws)
    slope, intercept, reason = _line(rows, level)
    return Calibration(
        brier=brier,
        ece_width=errors[0],
        ece_mass=errors[1],
        chance_ece=_chance(rows, membership, rng),
        slope=slope,
        intercept=intercept,
        observed_to_expected=_observed_to_expected(rows, level),
        positives=positives,
        negatives=len(rows.truth) - positives,
        persons=rows.persons,
        left_out=rows.left_out,
        clipped=int(((rows.probabilities < EDGE) | (rows.probabilities > 1 - EDGE)).sum()),
        bins=bins,
        level=level,
        reason=reason,
    )


def calibration_caution(targets: ArrayLike, clusters: ArrayLike | None = None) -> str:
    """Return that a class has too few persons for the intervals of a calibration; "" where it has enough.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        clusters: (N,) person ids; None where every row is a person of its own.

    Example:
        >>> calibration_caution([0] * 30 + [1] * 5)
        'only 5 persons in the smaller class'
    """
    fewest = min(check_rows(targets, np.zeros(np.asarray(targets).shape), clusters).persons_by_class)
    return f"only {fewest} persons in the smaller class" if fewest < FEWEST_PERSONS else ""


def _sums(rows: ProbabilityRows, numbers: Integers, values: Floats) -> Floats:
    """Return the sums of values of each person in each bin, (persons, bins)."""
    columns = int(numbers.max()) + 1
    sums = np.bincount(rows.codes * columns + numbers, weights=values, minlength=rows.persons * columns)
    return np.asarray(sums, np.float64).reshape(rows.persons, columns)


def _resampled(
    rows: ProbabilityRows, membership: list[Integers], *, rng: np.random.Generator, level: float, draws: int
) -> tuple[BrierParts, list[Interval]]:
    squares = (rows.probabilities - rows.truth) ** 2
    ones = np.ones(len(rows.truth))
    tables = [
        [_sums(rows, numbers, values) for values in (ones, rows.probabilities, rows.truth, squares)]
        for numbers in membership
    ]

    gaps = [group[1] - group[2] for group in tables]  # (persons, bins): probabilities minus truth

    def statistic(weights: Floats) -> Floats:
        changes = weights - 1
        moved = [changes @ gap for gap in gaps]
        return np.column_stack([_brier_parts(*(weights @ table for table in tables[0])), *moved])

    values = statistic(np.ones((1, rows.persons)))[0]
    drawn = resample(
        statistic,
        strata=np.zeros(rows.persons, np.int64),
        draws=draws,
        rng=rng,
        largest=max(gap.shape[1] for gap in gaps),
        undefined="lost a class",
    ).values
    limits = [percentile_interval(column, level=level) for column in drawn.T[:PARTS]]
    parts = [Interval(float(value), *pair) for value, pair in zip(values[:PARTS], limits, strict=True)]
    noise = np.split(drawn[:, PARTS:], [gaps[0].shape[1]], axis=1)
    images = len(rows.truth)
    errors = [
        _error_interval(gap.sum(axis=0) / images, moved / images, level) for gap, moved in zip(gaps, noise, strict=True)
    ]
    return BrierParts(*parts), errors


def _error_interval(gaps: Floats, noise: Floats, level: float) -> Interval:
    """Return an ECE with limits of the true one.

    Were the true gaps of the bins c times the observed ones, the ECE would be sum |c * gaps + noise|. The limits are
    those c for which the observed ECE is the upper and the lower quantile of that. A nominal 95 % interval held the
    true error in 92 to 100 % of samples (200 and 1,000 images, slopes of 0.3, 0.7 and 1); the basic bootstrap interval
    in 50 to 92 %, the percentile interval in 0 % of calibrated samples.

    Args:
        gaps: (bins,) mean probability minus rate, times the bin's share of images.
        noise: (draws, bins) what resampling adds to them.
        level: coverage.
    """
    observed = float(np.abs(gaps).sum())

    def factor(quantile: float) -> float:
        def excess(scale: float) -> float:
            return float(np.quantile(np.abs(scale * gaps + noise).sum(axis=1), quantile)) - observed

        if excess(0.0) >= 0:
            return 0.0
        return float(brentq(excess, 0.0, 4.0, xtol=1e-4)) if excess(4.0) > 0 else 4.0

    return Interval(observed, observed * factor(0.5 + level / 2), observed * factor(0.5 - level / 2))


def _brier_parts(counts: Floats, predicted: Floats, positives: Floats, squares: Floats) -> Floats:
    """Return (B, 6) score, reliability, resolution, uncertainty, within, skill from (B, bins) sums."""
    total = counts.sum(axis=1)
    rate = positives.sum(axis=1) / total
    filled = np.maximum(counts, 1)
    score = squares.sum(axis=1) / total
    reliability = ((predicted - positives) ** 2 / filled).sum(axis=1) / total
    resolution = ((positives - counts * rate[:, None]) ** 2 / filled).sum(axis=1) / total
    uncertainty = rate * (1 - rate)
    within = score - (reliability - resolution + uncertainty)
    skill = 1 - np.divide(score, uncertainty, out=np.full_like(score, np.nan), where=uncertainty > 0)
    return np.column_stack([score, reliability, resolution, uncertainty, within, skill])


def _chance(rows: ProbabilityRows, membership: list[Integers], rng: np.random.Generator) -> tuple[float, float]:
    """Return the mean ECE of targets drawn with these probabilities: bin sums are close to sums of Bernoullis."""
    draws = 200
    truth = rng.random((draws, len(rows.truth))) < rows.probabilities if len(rows.truth) <= 10_000 else None
    errors = []
    for numbers in membership:
        predicted = np.bincount(numbers, weights=rows.probabilities)
        if truth is None:  # many images: a bin's sum is normal
            spread = np.sqrt(np.bincount(numbers, weights=rows.probabilities * (1 - rows.probabilities)))
            drawn = np.abs(rng.normal(size=(draws, len(spread)))) * spread
        else:
            drawn = np.abs(_bin_counts(truth, numbers) - predicted)
        errors.append(float(drawn.sum(axis=1).mean()) / len(rows.truth))
    return errors[0], errors[1]


def _bin_counts(truth: Bools, numbers: Integers) -> Floats:
    onehot = np.zeros((len(numbers), int(numbers.max()) + 1))
    onehot[np.arange(len(numbers)), numbers] = 1
    counts: Floats = truth.astype(np.float64) @ onehot
    return counts


def calibration_in_the_large(
    targets: ArrayLike, probabilities: ArrayLike, clusters: ArrayLike | None = None, *, level: float = 0.95
) -> Interval:
    """Return the log-odds that probabilities lack on average; 0 is perfect, above 0 they are too low.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        probabilities: (N,) in [0, 1].
        clusters: (N,) person ids; None where every row is a person of its own.
        level: coverage of the limits, in (0, 1).

    Raises:
        DataError: one class, fewer than two persons, NaN, a number outside [0, 1], lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> f"{calibration_in_the_large([0, 0, 1, 1], [0.2] * 4).value:.3f}"  # log(0.5 / 0.5) - log(0.2 / 0.8)
        '1.386'
    """
    check_level(level)
    rows = check_probabilities(targets, probabilities, clusters, 1)
    _check_classes(rows)
    return _intercept(rows, level)[1]


def _check_classes(rows: ProbabilityRows) -> int:
    """Return how many positives there are, and refuse what has one class or one person."""
    if rows.persons < 2:
        raise DataError(f"all {len(rows.truth)} images are of one person: calibration needs at least two")
    positives = int(rows.truth.sum())
    if positives in (0, len(rows.truth)):
        raise DataError(f"only {'positives' if positives else 'negatives'}: calibration needs images of both classes")
    return positives


def _intercept(rows: ProbabilityRows, level: float) -> tuple[Floats, Interval]:
    """Return the logits, clipped, and the intercept where their slope is 1."""
    logits: Floats = logit(np.clip(rows.probabilities, EDGE, 1 - EDGE))
    ones = np.ones((len(logits), 1))
    return logits, fit_logistic(rows.truth, ones, codes=rows.codes, offset=logits).interval(0, level=level)


def _line(rows: ProbabilityRows, level: float) -> tuple[Interval | None, Interval, str]:
    logits, intercept = _intercept(rows, level)
    ones = np.ones((len(logits), 1))
    if np.ptp(logits) == 0:
        return None, intercept, "all probabilities are equal"
    if is_separated(rows.truth, logits):
        return None, intercept, "perfect separation: no finite slope"
    # Centred, which moves the intercept alone: logits that hardly differ are else one column with that of ones.
    columns = np.column_stack([ones, logits - logits.mean()])
    try:
        line = fit_logistic(rows.truth, columns, codes=rows.codes)
    except DataError:
        return None, intercept, "almost perfect separation: no finite slope"
    return line.interval(1, level=level), intercept, ""


def _observed_to_expected(rows: ProbabilityRows, level: float) -> Interval:
    observed, expected = float(rows.truth.sum()), float(rows.probabilities.sum())
    if expected == 0:
        raise DataError("all probabilities are 0: observed over expected has no value")
    moved = np.bincount(rows.codes, weights=rows.truth / observed - rows.probabilities / expected)
    error = math.sqrt(rows.persons / (rows.persons - 1) * float((moved**2).sum()))
    half = float(t.ppf(0.5 + level / 2, rows.persons - 1)) * error
    ratio = observed / expected
    return Interval(ratio, ratio * math.exp(-half), ratio * math.exp(half))
