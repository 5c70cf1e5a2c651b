"""Is an improvement real and large enough: margins, and the variance over seeds, splits and test images.

What would invalidate the answers:

- A margin chosen after looking. Say beforehand which difference would change what is done.
- One seed and one split: the difference then is of two files, and seeds alone often move an AUC more than papers claim.
- Runs that are not paired: each seed and split must be the same for both methods, or the table not crossed.
- Splits of one dataset taken for independent samples. Their training images overlap; ``test_to_train`` adds what that
  hides (Nadeau & Bengio, Mach. Learn. 52:239, 2003).
- "Not shown to be better" read as "no better": the interval says what remains possible.

Sources: Bouthillier et al., MLSys 2021, for the parts of the variance and for P(A > B) against 0.75; Searle, Casella &
McCulloch, Variance Components (1992), for the crossed table; Satterthwaite, Biometrics Bull. 2:110 (1946), for the
degrees of freedom; Schuirmann, J. Pharmacokinet. Biopharm. 15:657 (1987), for equivalence by two one-sided tests;
Noether, J. Am. Stat. Assoc. 82:645 (1987), for how many runs are needed.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, norm, t

from cxrshort.errors import DataError, UsageError
from cxrshort.quantities import quantity
from cxrshort.stats.auc import auc_covariance, check_level
from cxrshort.stats.changes import Interval
from cxrshort.stats.midranks import Floats, check_rows

MEANINGFUL = 0.75
"""P(A > B) from which on Bouthillier et al. call a difference meaningful."""


@dataclass(frozen=True, slots=True)
class VarianceParts:
    """Hold where the variance of a difference between two methods comes from.

    Args:
        seeds: variance between seeds; None for one seed, whose variance is unknown.
        splits: variance between splits; None for one split.
        residual: variance of seeds within splits; None for a single run. Of one seed or one split it holds the other.
        images: variance from the test images that all runs share.
        negative: parts whose estimate was below 0 and is set to 0.
        mean: variance of the mean difference, all parts together.
        freedom: Satterthwaite's degrees of freedom of that.
    """

    seeds: float | None
    splits: float | None
    residual: float | None
    images: float
    negative: tuple[str, ...]
    mean: float
    freedom: float


@dataclass(frozen=True, slots=True)
class MarginTests:
    """Hold a difference, after minus before, held against a margin.

    Args:
        difference: positive where the second is better.
        standard_error: of the difference.
        low: lower limit.
        high: upper limit.
        margin: the smallest difference that matters, not negative.
        p_superior: one-sided, of the difference being at most the margin.
        p_not_inferior: one-sided, of the difference being at most minus the margin.
        p_equivalent: of the difference being outside the margin on either side.
        level: coverage of the interval; each one-sided test has (1 - level) / 2, so that it agrees with the interval.
        verdict: in words.
    """

    difference: float
    standard_error: float
    low: float
    high: float
    margin: float
    p_superior: float
    p_not_inferior: float
    p_equivalent: float
    level: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Improvement:
    """Hold the tests of a table of differences, and where its variance comes from.

    Args:
        tests: of the mean difference.
        parts: of its variance.
        seeds: rows of the table.
        splits: columns of the table.
        caution: what the variance leaves out; "" where nothing.
    """

    tests: MarginTests
    parts: VarianceParts
    seeds: int
    splits: int
    caution: str

    def within(self, bound: float) -> "Improvement":
        """Return the same with limits that no difference lies beyond, such as 1 for two AUCs."""
        tests = replace(self.tests, low=max(-bound, self.tests.low), high=min(bound, self.tests.high))
        return replace(self, tests=tests)


@dataclass(frozen=True, slots=True)
class ChanceBetter:
    """Hold how often one method beats another in paired runs.

    Args:
        chance: share of pairs in which the second wins, ties half, with exact binomial limits.
        pairs: how many.
        ties: among them.
        runs_needed: pairs that show a chance of `MEANINGFUL` with a power of 95 %.
        verdict: "better, and meaningfully so", "better, but not meaningfully so" or "not shown to be better".
    """

    chance: Interval
    pairs: int
    ties: int
    runs_needed: int
    verdict: str


def variance_parts(
    differences: ArrayLike, *, images: float = 0.0, image_freedom: float = math.inf, test_to_train: float = 0.0
) -> VarianceParts:
    """Divide the variance of a crossed table into seeds, splits, their rest and test images.

    Args:
        differences: (seeds, splits) one per run.
        images: variance of the mean difference from the test images that all runs share; 0 where each split has test
            images of its own, since the variance between splits then holds it.
        image_freedom: degrees of freedom of that variance: persons in the smaller class, less one.
        test_to_train: test images over training images of a split where splits are of one dataset; 0 where each is of
            its own.

    Raises:
        DataError: a table without a run, a number that is not finite, a negative variance.

    Example:
        >>> parts = variance_parts([[0.02, 0.04], [0.03, 0.05], [0.01, 0.03]])
        >>> f"{parts.seeds:.6f} {parts.splits:.6f} {parts.residual:.6f}"
        '0.000100 0.000200 0.000000'
    """
    table = _check(differences, images, test_to_train)
    seeds, splits = table.shape
    squares = _mean_squares(table)
    if min(seeds, splits) < 2:
        rest = squares["rest"] if table.size > 1 else None
        factor = 1 / table.size + (test_to_train if splits > 1 else 0.0)
        spread = (rest or 0.0) * factor
        freedom = _satterthwaite(spread + images, [(spread, table.size - 1), (images, image_freedom)])
        return VarianceParts(None, None, rest, images, (), spread + images, freedom)
    rest = squares["rest"]
    raw = {"seeds": (squares["seeds"] - rest) / splits, "splits": (squares["splits"] - rest) / seeds}
    # Rounding of a table that is exactly additive is no negative part.
    negative = tuple(name for name, value in raw.items() if value < -1e-12 * float(np.abs(table).max() ** 2))
    parts = {name: max(0.0, value) for name, value in raw.items()}
    mean = parts["seeds"] / seeds + parts["splits"] * (1 / splits + test_to_train) + rest / table.size
    terms = [(rest / table.size, (seeds - 1) * (splits - 1)), (images, image_freedom)]
    terms += [(squares["seeds"] / table.size, seeds - 1)] if parts["seeds"] > 0 else []
    terms += [(squares["splits"] * (1 / table.size + test_to_train / seeds), splits - 1)] if parts["splits"] > 0 else []
    freedom = _satterthwaite(mean + images, terms)
    return VarianceParts(parts["seeds"], parts["splits"], rest, images, negative, mean + images, freedom)


def _check(differences: ArrayLike, images: float, test_to_train: float) -> Floats:
    table = np.atleast_2d(np.asarray(differences, np.float64))
    if table.ndim != 2 or not table.size:
        raise DataError(f"differences of shape {table.shape}: they must be (seeds, splits), with at least one run")
    if wrong := int((~np.isfinite(table)).sum()):
        raise DataError(f"{wrong} of {table.size} differences are not finite: every seed needs every split")
    if not (0 <= images < math.inf and 0 <= test_to_train < math.inf):
        raise DataError(f'variance "{images:g}" and ratio "{test_to_train:g}": neither is negative')
    return table


def _mean_squares(table: Floats) -> dict[str, float]:
    """Return the mean squares of a crossed table; of one seed or one split only the rest."""
    seeds, splits = table.shape
    if min(seeds, splits) < 2:
        return {"rest": float(table.var(ddof=1)) if table.size > 1 else 0.0}
    mean, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    residuals = table - rows[:, None] - columns + mean
    return {
        "seeds": splits * float(((rows - mean) ** 2).sum()) / (seeds - 1),
        "splits": seeds * float(((columns - mean) ** 2).sum()) / (splits - 1),
        "rest": float((residuals**2).sum()) / ((seeds - 1) * (splits - 1)),
    }


def _satterthwaite(total: float, terms: list[tuple[float, float]]) -> float:
    squares = sum(value**2 / freedom for value, freedom in terms if value > 0)
    return max(1.0, total**2 / squares) if squares > 0 else math.inf


def margin_tests(
    difference: float, *, standard_error: float, margin: float = 0.0, level: float = 0.95, freedom: float = math.inf
) -> MarginTests:
    """Hold a difference against a margin: superior, not inferior, equivalent.

    Args:
        difference: after minus before, larger is better.
        standard_error: of the difference, above 0.
        margin: the smallest difference that matters, not negative.
        level: coverage of the interval, in (0, 1).
        freedom: degrees of freedom of the error; infinite for the normal distribution.

    Raises:
        DataError: a number that is not finite, or an error that is not above 0.
        UsageError: a negative margin, or a level outside (0, 1).

    Example:
        >>> tests = margin_tests(0.03, standard_error=0.01, margin=0.02)
        >>> f"{tests.p_superior:.3f}: {tests.verdict}"
        '0.159: better, but not shown to be so by the margin of 0.02'
    """
    check_level(level)
    if not (math.isfinite(difference) and 0 < standard_error < math.inf):
        raise DataError(
            f'difference "{difference:g}" with standard error "{standard_error:g}": no test without a variance',
            "more runs or more test images give one",
        )
    if not 0 <= margin < math.inf:
        raise UsageError(f'margin "{margin:g}" must not be negative', "try 0.01")
    spread = t(freedom) if math.isfinite(freedom) else norm()
    half = float(spread.ppf(0.5 + level / 2)) * standard_error
    superior, not_inferior = (float(spread.sf((difference - bound) / standard_error)) for bound in (margin, -margin))
    beyond = float(spread.cdf((difference - margin) / standard_error))
    low, high = difference - half, difference + half
    verdict = _verdict(low, high, margin)
    return MarginTests(
        difference,
        standard_error,
        low,
        high,
        margin,
        superior,
        not_inferior,
        max(not_inferior, beyond),
        level,
        verdict,
    )


def _verdict(low: float, high: float, margin: float) -> str:
    """Return what an interval says of a margin; each border is that of a one-sided test."""
    if low > margin:
        return f"better by more than the margin of {margin:g}" if margin else "better"
    if high < -margin:
        return f"worse by more than the margin of {margin:g}" if margin else "worse"
    if margin and -margin < low and high < margin:
        return f"equivalent within the margin of {margin:g}"
    if low > 0:
        return f"better, but not shown to be so by the margin of {margin:g}"
    if margin and low > -margin:
        return f"not inferior by the margin of {margin:g}; not shown to be better"
    doubt = f"; may be worse by more than the margin of {margin:g}" if margin else ""
    return f"not shown to be better{doubt}"


def improvement(
    differences: ArrayLike,
    *,
    margin: float = 0.0,
    images: float = 0.0,
    image_freedom: float = math.inf,
    test_to_train: float = 0.0,
    level: float = 0.95,
) -> Improvement:
    """Test whether the mean of paired runs is larger than a margin, given the variance over all that varied.

    Args:
        differences: (seeds, splits) after minus before, one per run; (1, splits) or (seeds, 1) where one alone varied.
        margin: the smallest difference that matters, not negative.
        images: variance of the mean difference from the test images that all runs share.
        image_freedom: see :func:`variance_parts`.
        test_to_train: see :func:`variance_parts`.
        level: coverage of the interval, in (0, 1).

    Raises:
        DataError: a table without a run, a number that is not finite, no variance at all.
        UsageError: a negative margin, or a level outside (0, 1).

    Example:
        >>> gain = improvement([[0.02, 0.04], [0.03, 0.06], [0.01, 0.03]], images=0.0001, margin=0.01)
        >>> f"{gain.tests.difference:.3f} [{gain.tests.low:.3f}, {gain.tests.high:.3f}]: {gain.tests.verdict}"
        '0.032 [-0.015, 0.078]: not shown to be better; may be worse by more than the margin of 0.01'
    """
    table = _check(differences, images, test_to_train)
    parts = variance_parts(table, images=images, image_freedom=image_freedom, test_to_train=test_to_train)
    tests = margin_tests(
        float(table.mean()), standard_error=math.sqrt(parts.mean), margin=margin, level=level, freedom=parts.freedom
    )
    unknown = [name for name, count in zip(("seeds", "splits"), table.shape, strict=True) if count < 2]
    caution = f"the variance over {' and '.join(unknown)} is unknown and not counted" if unknown else ""
    return Improvement(tests, parts, table.shape[0], table.shape[1], caution)


def improvement_of_scores(
    targets: ArrayLike,
    *,
    before: ArrayLike,
    after: ArrayLike,
    clusters: ArrayLike | None = None,
    margin: float = 0.0,
    level: float = 0.95,
) -> Improvement:
    """Test the improvement of the AUC over seeds that were all scored on the same test images.

    The variance between seeds holds a part of the sampling of images, which is counted once more with the images: the
    interval is on the safe side.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        before: (N, R) scores of the first method, a column per seed.
        after: (N, R) of the second method, of the same seeds in the same order.
        clusters: (N,) person ids; None where every row is a person of its own.
        margin: the smallest difference of AUCs that matters, not negative.
        level: coverage of the interval, in (0, 1).

    Raises:
        DataError: one class, fewer than two persons in one, NaN scores, shapes that differ, no variance at all.
        UsageError: a negative margin, or a level outside (0, 1).
    """
    tables = [np.asarray(scores, np.float64) for scores in (before, after)]
    tables = [table[:, None] if table.ndim == 1 else table for table in tables]
    if tables[0].shape != tables[1].shape:
        raise DataError(f"scores of shape {tables[0].shape} before and {tables[1].shape} after: runs must be pairs")
    runs = tables[0].shape[1]
    aucs, covariance = auc_covariance(targets, np.concatenate(tables, axis=1), clusters)
    contrast = np.repeat([-1 / runs, 1 / runs], runs)
    images = max(0.0, float(contrast @ covariance @ contrast))
    persons = min(check_rows(targets, tables[0], clusters).persons_by_class)
    gain = improvement(
        (aucs[runs:] - aucs[:runs])[:, None], margin=margin, images=images, image_freedom=persons - 1, level=level
    )
    return gain.within(1.0)


def chance_better(before: ArrayLike, after: ArrayLike, *, level: float = 0.95) -> ChanceBetter:
    """Return how often the second method wins in paired runs, held against 0.5 and 0.75.

    Bouthillier et al. take bootstrap limits; those are [1, 1] where every run wins. These are Clopper and Pearson's.

    Args:
        before: (R,) the measure of the first method in each run, larger is better.
        after: (R,) that of the second in the same runs.
        level: coverage of the limits, in (0, 1).

    Raises:
        DataError: lengths that differ, no run, a number that is not finite.
        UsageError: a level outside (0, 1).

    Example:
        >>> wins = chance_better([0.80, 0.81, 0.79, 0.80], [0.82, 0.83, 0.80, 0.80])
        >>> f"{wins.chance.value} [{wins.chance.low:.2f}, {wins.chance.high:.2f}]: {wins.verdict}"
        '0.875 [0.28, 1.00]: not shown to be better'
    """
    check_level(level)
    first, second = (np.asarray(values, np.float64).ravel() for values in (before, after))
    if len(first) != len(second) or not len(first):
        raise DataError(f"{quantity(len(first), 'run')} before and {len(second):,} after: they must be pairs")
    if wrong := int((~np.isfinite(first - second)).sum()):
        raise DataError(f"{wrong:,} of {quantity(len(first), 'pair')} without two finite numbers")
    pairs, ties = len(first), int((first == second).sum())
    wins, tail = float((second > first).sum()) + ties / 2, (1 - level) / 2
    low = float(beta.ppf(tail, wins, pairs - wins + 1)) if wins > 0 else 0.0
    high = float(beta.ppf(1 - tail, wins + 1, pairs - wins)) if wins < pairs else 1.0
    chance = Interval(wins / pairs, low, high)
    verdict = "not shown to be better"
    if low > 0.5:
        verdict = f"better, {'and' if chance.value >= MEANINGFUL else 'but not'} meaningfully so"
    return ChanceBetter(chance, pairs, ties, runs_needed(), verdict)


def runs_needed(chance: float = MEANINGFUL, *, error: float = 0.05, power: float = 0.95) -> int:
    """Return how many pairs of runs show a chance of winning, one-sided (Noether 1987, eq. 9).

    Args:
        chance: P(A > B) to be found, above 0.5.
        error: of the first kind.
        power: the chance to find it.

    Raises:
        UsageError: a chance that is not between 0.5 and 1.

    Example:
        >>> runs_needed()
        29
    """
    if not 0.5 < chance < 1:
        raise UsageError(f'chance "{chance:g}" is not between 0.5 and 1', "try 0.75")
    return math.ceil((float(norm.isf(error)) + float(norm.ppf(power))) ** 2 / (6 * (chance - 0.5) ** 2))
