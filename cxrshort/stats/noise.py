"""Evaluation noise against the winner gap: is the best result further ahead than chance would put it.

What would invalidate the numbers:

- Submissions that were tuned on the private scores, or chosen for this table: the gap is then larger than it is.
- Few submissions. The 5th and 95th percentiles of fewer than twenty differences are nearly their extremes.
- Several images of one person in both halves of a test set: halves are drawn by person.
- "Within noise" read as equality. It says that another test set may well crown another winner.

Sources: Varoquaux & Cheplygina, npj Digit. Med. 5:48 (2022), Fig. 3 and its published code: differences private minus
public, noise by their 5th to 95th percentiles, winner gap from the best to the 90 % submission. The rule that divides
the two is ours: half the width of the noise. For our own test sets, which have no public half, differences are those of
random halves by person; their standard deviation is twice the standard error of a score on the whole set, two test
sets of its size differ by the square root of 2 times, and so they are divided by the square root of 2.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.stats.auc import check_level
from cxrshort.stats.bootstrap import WEIGHTS_AT_ONCE, RankedSample, percentile_interval
from cxrshort.stats.midranks import Bools, CheckedRows, Floats, check_rows, why_no_variance

WITHIN, BEYOND, OVERFIT = "within noise", "beyond noise", "overfit"
TOP = 90
"""Percentile of the submission that the winner is compared with: the worst of the top 10 %."""
FEW = 20
"""Submissions below which percentiles of their differences rest on few."""
SPLITS, DRAWS = 200, 2000


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationNoise:
    """Hold the noise of an evaluation beside what the winner is ahead.

    Args:
        differences: (submissions,) private minus public, better is positive; of one test set (splits x models,)
            differences of halves over the square root of 2.
        shift: median of the differences; below 0 where the private scores are worse.
        shift_low: lower limit of the shift over submissions; None for one test set, whose halves have none.
        shift_high: upper limit.
        noise: half the distance between the 5th and the 95th percentile of the differences.
        noise_low: lower limit of the noise over submissions; None for one test set.
        noise_high: upper limit.
        best: the winner's score.
        tenth: the score at the 90th percentile of submissions.
        gap: what the winner is ahead of that, not negative.
        submissions: how many.
        verdict: "within noise", "beyond noise", or "overfit" where the shift is larger than the gap and downwards.
        caution: that there are few submissions; "" where there are enough.
    """

    differences: Floats
    shift: float
    shift_low: float | None
    shift_high: float | None
    noise: float
    noise_low: float | None
    noise_high: float | None
    best: float
    tenth: float
    gap: float
    submissions: int
    verdict: str
    caution: str


def leaderboard_noise(
    public: ArrayLike,
    private: ArrayLike,
    *,
    rng: np.random.Generator,
    lower_is_better: bool = False,
    level: float = 0.95,
    draws: int = DRAWS,
) -> EvaluationNoise:
    """Compare the noise between two test sets with the winner gap on the second.

    Args:
        public: (N,) score of each submission on the first test set.
        private: (N,) its score on the second.
        rng: draws submissions again for the limits of noise and shift.
        lower_is_better: whether the scores are errors.
        level: coverage of the limits, in (0, 1).
        draws: resamples.

    Raises:
        DataError: lengths that differ, fewer than two submissions, or a score that is not finite.
        UsageError: a level outside (0, 1).

    Example:
        >>> public, private = [0.70, 0.72, 0.74, 0.75], [0.71, 0.70, 0.75, 0.74]
        >>> noise = leaderboard_noise(public, private, rng=np.random.default_rng(0))
        >>> f"noise {noise.noise:.4f}, winner gap {noise.gap:.4f}: {noise.verdict}"
        'noise 0.0143, winner gap 0.0030: within noise'
    """
    check_level(level)
    sides = [np.asarray(values, np.float64).ravel() for values in (public, private)]
    if len(sides[0]) != len(sides[1]) or len(sides[0]) < 2:
        raise DataError(f"{len(sides[0])} public and {len(sides[1])} private scores: they are pairs, two at least")
    if wrong := int((~np.isfinite(sides[0] + sides[1])).sum()):
        raise DataError(f"{wrong} of {len(sides[0])} submissions have a score that is not finite", "leave them out")
    sign = -1 if lower_is_better else 1
    differences, scores = sign * (sides[1] - sides[0]), sign * sides[1]
    samples = differences[rng.integers(0, len(differences), (draws, len(differences)))]
    shifts, widths = np.median(samples, axis=1), half_width(samples)
    limits = (*percentile_interval(shifts, level=level), *percentile_interval(widths, level=level))
    return _assemble(differences, scores, sign=sign, limits=limits)


def half_width(differences: Floats) -> Floats:
    """Return half the distance between the 5th and the 95th percentile along the last axis.

    Example:
        >>> float(half_width(np.arange(101.0)))
        45.0
    """
    low, high = np.percentile(differences, [5, 95], axis=-1)
    width: Floats = (high - low) / 2
    return width


def _assemble(
    differences: Floats, scores: Floats, *, sign: int, limits: Sequence[float] | None = None
) -> EvaluationNoise:
    best, tenth = float(scores.max()), float(np.percentile(scores, TOP))
    shift, noise, gap = float(np.median(differences)), float(half_width(differences)), best - tenth
    shift_low, shift_high, noise_low, noise_high = limits if limits is not None else (None,) * 4
    verdict = OVERFIT if limits is not None and -shift > gap and limits[1] < 0 else WITHIN if gap <= noise else BEYOND
    count = len(scores)
    caution = f"only {count} submissions: percentiles of {FEW} or more are advised" if count < FEW else ""
    return EvaluationNoise(
        differences,
        shift,
        shift_low,
        shift_high,
        noise,
        noise_low,
        noise_high,
        sign * best,
        sign * tenth,
        gap,
        count,
        verdict,
        caution,
    )


def halves_noise(
    targets: ArrayLike,
    scores: ArrayLike,
    *,
    rng: np.random.Generator,
    clusters: ArrayLike | None = None,
    splits: int = SPLITS,
) -> EvaluationNoise:
    """Compare the noise of AUCs on one test set, from random halves by person, with the winner gap.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        scores: (N, K) a column per model.
        rng: draws the halves.
        clusters: (N,) person ids; None where every image is a person of its own.
        splits: halves drawn; those that lack a class are left out.

    Raises:
        DataError: one class, fewer than two persons in a class, fewer than two models, NaN scores.
    """
    rows = check_rows(targets, scores, clusters)
    if reason := why_no_variance(rows):
        raise DataError(f"no evaluation noise: {reason}", "use a larger test set")
    if rows.scores.shape[1] < 2:
        raise DataError("one model has no winner gap: two are needed", "add models to the table")
    samples = [
        RankedSample.of(
            CheckedRows(rows.positive, column[:, None], rows.codes, rows.has_clusters, 0), rows.codes, rows.persons
        )
        for column in rows.scores.T
    ]
    whole = np.ones((1, rows.persons))
    areas = np.array([sample.aucs(whole)[0] for sample in samples])
    blocks = []
    for half in _halves(rows, splits, rng):
        halves = [np.stack([sample.aucs(weights) for sample in samples], axis=1) for weights in (half, 1 - half)]
        blocks.append(halves[0] - halves[1])
    differences = np.concatenate(blocks)
    differences = differences[np.isfinite(differences).all(axis=1)]
    if not len(differences):
        raise DataError("all halves of the test set lack a class: there are too few persons", "use a larger test set")
    return _assemble(differences.ravel() / math.sqrt(2), areas, sign=1)


def _halves(rows: CheckedRows, splits: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield (B, persons) zeros and ones, half of the persons with a positive and half of those without."""
    positive: Bools = np.zeros(rows.persons, dtype=bool)
    positive[rows.codes[rows.positive]] = True
    at_once = max(1, WEIGHTS_AT_ONCE // max(rows.persons, len(rows.codes)))
    for start in range(0, splits, at_once):
        half = np.zeros((min(at_once, splits - start), rows.persons))
        for stratum in (positive, ~positive):
            members = np.flatnonzero(stratum)
            order = rng.random((len(half), len(members))).argsort(axis=1)
            # An odd stratum gives its last person to either half in turn.
            size = (len(members) + np.arange(start, start + len(half)) % 2) // 2
            half[:, members] = order < size[:, None]
        yield half
