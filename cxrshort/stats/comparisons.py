"""Which is better: two models on the same images, two groups of replicates, and many labels at once.

What would invalidate the numbers:

- Tables joined by their order. :func:`align_images` joins by image and refuses what is in one table only.
- Several images of one person taken for independent ones: give person ids wherever there are any.
- Two models out of one training each. The paired test then speaks of these two files, not of the methods that made
  them: another seed may turn the sign (see ``claims.py`` and ``superiority.py``).
- Replicates that share test images or training data, in a test of two groups: they are not independent.
- A large p read as equality. With five replicates against five, a difference of 0.03 at a standard deviation of 0.035
  is found in 16 % of studies; so the interval of the difference stands beside every p, and the smallest p reachable.

Sources: DeLong, DeLong & Clarke-Pearson, Biometrics 44:837 (1988) and Obuchowski, Biometrics 53:567 (1997) for pairs;
Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9:39 (2010) for p-values of resamples, never 0; Hodges & Lehmann, Ann.
Math. Stat. 34:598 (1963) for the shift between groups; Holm, Scand. J. Stat. 6:65 (1979); Benjamini & Hochberg, J. R.
Stat. Soc. B 57:289 (1995).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri

from cxrshort.errors import DataError
from cxrshort.stats.auc import PairedComparison, check_level, compare_paired
from cxrshort.stats.bootstrap import bootstrap_aucs, percentile_interval
from cxrshort.stats.gap import mann_whitney
from cxrshort.stats.midranks import Floats, Integers, Sample, count_distinct, is_exact, number_persons
from cxrshort.stats.signed_rank import holm

DRAWS = 2000

_NAMED = 3
"""Images named in a message."""

_LARGEST_COUNTED = 100
"""Numbers in the smaller group up to which the orders of two groups are counted; with 300 rounding is seen."""


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Hold two models on the same images, by formula and by resampling; the difference is after minus before.

    Args:
        paired: AUCs, difference, interval and p by the formula of DeLong or Obuchowski.
        bootstrap_low: lower limit of the difference over persons drawn again; None where nothing can be resampled.
        bootstrap_high: upper limit.
        bootstrap_p: two-sided, (r + 1) / (draws + 1) twice, at most 1, where r resamples are on the rarer side of 0.
        draws: resamples.
        positives: images with target 1.
        negatives: images with target 0.
        persons: among these images; None without person ids.
    """

    paired: PairedComparison
    bootstrap_low: float | None
    bootstrap_high: float | None
    bootstrap_p: float | None
    draws: int
    positives: int
    negatives: int
    persons: int | None


@dataclass(frozen=True, slots=True)
class GroupComparison:
    """Hold two groups of replicates.

    Args:
        u: pairs in which the first is larger, ties counted half.
        p_value: two-sided.
        method: how p was computed.
        smallest_p: the smallest p-value that groups of this size can reach without ties.
        chance_larger: U over all pairs: the chance that a replicate of the first group is the larger one, ties half.
        shift: Hodges and Lehmann's: the median of all differences, first minus second.
        low: lower limit of the shift, exact without ties; None where the groups are too small for the level.
        high: upper limit.
        first: replicates in the first group.
        second: replicates in the second group.
        level: coverage asked for; that of the interval is at least as large.
    """

    u: float
    p_value: float
    method: str
    smallest_p: float
    chance_larger: float
    shift: float
    low: float | None
    high: float | None
    first: int
    second: int
    level: float


@dataclass(frozen=True, slots=True)
class AdjustedP:
    """Hold one p-value of a family of tests.

    Args:
        raw: as the test gave it; None where there was no test, which then is not counted.
        holm: adjusted so that the chance of any false finding in the family is bounded; for confirmation.
        benjamini_hochberg: adjusted so that the expected share of false findings is bounded; for exploration.
    """

    raw: float | None
    holm: float | None
    benjamini_hochberg: float | None


def align_images(first: ArrayLike, second: ArrayLike) -> Integers:
    """Return where each image of the first table stands in the second.

    Args:
        first: (N,) image ids.
        second: (N,) image ids, the same ones in any order.

    Returns:
        (N,) positions, so that ``second[positions]`` equals ``first``.

    Raises:
        DataError: an image stands twice, or in one table only.

    Example:
        >>> align_images(["a", "b", "c"], ["c", "a", "b"])
        array([1, 2, 0])
    """
    names = [pd.Index(np.asarray(ids, dtype=object).ravel()) for ids in (first, second)]
    for place, index in zip(("first", "second"), names, strict=True):
        if repeated := int(index.duplicated().sum()):
            example = index[index.duplicated()][0]
            raise DataError(
                f"'{example}' stands more than once in the {place} table ({repeated} rows too many): a comparison of "
                "pairs needs each image once",
                "keep one model and one dataset per table",
            )
    lonely = names[0].symmetric_difference(names[1], sort=False)
    if len(lonely):
        total = len(names[0].union(names[1], sort=False))
        shown = ", ".join(f"'{name}'" for name in lonely[:_NAMED]) + (", …" if len(lonely) > _NAMED else "")
        raise DataError(
            f"{len(lonely)} of {total} images are in one table only ({shown}): pairs need the same images",
            "evaluate both models on the same split",
        )
    positions: Integers = names[1].get_indexer(names[0]).astype(np.int64)
    return positions


def compare_models(
    targets: ArrayLike,
    *,
    before: ArrayLike,
    after: ArrayLike,
    rng: np.random.Generator,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = DRAWS,
) -> ModelComparison:
    """Compare the AUCs of two models on the same images, by formula and by drawing persons again.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        before: (N,) scores of the first model.
        after: (N,) scores of the second model.
        rng: draws the persons.
        clusters: (N,) person ids; None where every image is a person of its own.
        level: coverage in (0, 1).
        draws: resamples; 0 for the formula alone.

    Raises:
        DataError: NaN scores, a row without a person, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> comparison = compare_models(
        ...     [0, 0, 0, 1, 1, 1],
        ...     before=[1, 4, 5, 2, 3, 6],
        ...     after=[1, 2, 4, 3, 5, 6],
        ...     rng=np.random.default_rng(0),
        ... )
        >>> limits = f"[{comparison.bootstrap_low:.3f}, {comparison.bootstrap_high:.3f}]"
        >>> f"{comparison.paired.difference:.3f} {limits}"
        '0.333 [0.000, 0.889]'
    """
    paired = compare_paired(targets, before=before, after=after, clusters=clusters, level=level)
    exact = is_exact(targets)
    positives = int((np.asarray(targets, np.float64)[exact] == 1).sum())
    codes = np.arange(len(exact)) if clusters is None else number_persons(clusters, len(exact))
    counts = (positives, int(exact.sum()) - positives, None if clusters is None else count_distinct(codes[exact]))
    if paired.difference is None or paired.method == "none" or not draws:
        return ModelComparison(paired, None, None, None, 0, *counts)
    samples = [Sample(targets, scores, codes) for scores in (before, after)]
    aucs = bootstrap_aucs(samples, draws=draws, rng=rng).aucs
    differences = aucs[:, 1] - aucs[:, 0]
    low, high = percentile_interval(differences, level=level)
    return ModelComparison(paired, low, high, _two_sided(differences), draws, *counts)


def _two_sided(differences: Floats) -> float:
    # 1e-12 is rounding of a difference of two AUCs, which is a whole number of half pairs.
    rarer = min(int((differences <= 1e-12).sum()), int((differences >= -1e-12).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(differences) + 1))


def compare_groups(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> GroupComparison:
    """Test two-sided whether replicates of one group tend to be larger, and by how much.

    Args:
        first: (m,) numbers, e.g. AUCs of the replicates of one method.
        second: (n,) numbers.
        level: coverage of the interval of the shift, in (0, 1).

    Raises:
        DataError: an empty group, or NaN.
        UsageError: a level outside (0, 1).

    Example:
        >>> comparison = compare_groups([0.71, 0.74, 0.75, 0.78, 0.80], [0.70, 0.72, 0.73, 0.76, 0.69])
        >>> limits = f"[{comparison.low:+.3f}, {comparison.high:+.3f}]"
        >>> f"U = {comparison.u:g}, P = {comparison.p_value:.2f}, {comparison.shift:+.3f} {limits}"
        'U = 20, P = 0.15, +0.040 [-0.020, +0.090]'
    """
    check_level(level)
    test = mann_whitney(first, second)
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    differences = np.sort(np.subtract.outer(x, y), axis=None)
    outside = _rank_of_limit(len(x), len(y), (1 - level) / 2)
    low, high = (float(differences[outside - 1]), float(differences[-outside])) if outside else (None, None)
    return GroupComparison(
        test.u,
        test.p_value,
        test.method,
        min(1.0, 2 / math.comb(len(x) + len(y), len(x))),
        test.u / (len(x) * len(y)),
        float(np.median(differences)),
        low,
        high,
        len(x),
        len(y),
        level,
    )


def _rank_of_limit(first: int, second: int, tail: float) -> int:
    """Return how many values of U from 0 on have together at most the probability ``tail``, without ties.

    U counts, over the orders in which the first group can stand among the second: it is distributed as a sum of
    parts, and its generating function is the Gaussian binomial, prod (1 - q**(n + i)) / (1 - q**i). Its counts are
    differences of larger ones, which round away where both groups are large; there U is normal.
    """
    first, second = sorted((first, second))
    if first > _LARGEST_COUNTED:
        spread = math.sqrt(first * second * (first + second + 1) / 12)
        return max(0, math.floor(first * second / 2 + 0.5 + float(ndtri(tail)) * spread))
    counts = np.zeros(first * second + 1)
    counts[0] = 1
    for number in range(1, first + 1):
        longer = second + number
        counts[longer:] -= counts[:-longer].copy() if longer < len(counts) else 0
        for start in range(number):
            counts[start::number] = np.cumsum(counts[start::number])
        counts *= number / longer  # their sum is 1 again, where that of a binomial coefficient may overflow
    return int(np.count_nonzero(np.cumsum(counts) / counts.sum() <= tail))


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted so that the expected share of false findings among the findings is bounded.

    It holds for independent and positively dependent tests, as those of labels of the same images usually are.

    Args:
        p_values: one per test; None where there was none, which then is not counted.

    Example:
        >>> benjamini_hochberg([0.01, None, 0.04, 0.03])
        [0.03, None, 0.04, 0.04]
    """
    tested = sorted(((p, place) for place, p in enumerate(p_values) if p is not None), reverse=True)
    adjusted: list[float | None] = [None] * len(p_values)
    smallest = 1.0
    for number, (p, place) in enumerate(tested):
        smallest = min(smallest, len(tested) * p / (len(tested) - number))
        adjusted[place] = smallest
    return adjusted


def adjust(p_values: Sequence[float | None]) -> list[AdjustedP]:
    """Return each p-value of a family with both corrections.

    Args:
        p_values: one per test; None where there was none.

    Raises:
        DataError: a p-value outside [0, 1], or NaN.

    Example:
        >>> adjust([0.01, 0.04])[0]
        AdjustedP(raw=0.01, holm=0.02, benjamini_hochberg=0.02)
    """
    for p in p_values:
        if p is not None and not 0 <= p <= 1:
            raise DataError(f'p-value "{p:g}" is not in [0, 1]', "give none where there was no test")
    columns = zip(p_values, holm(p_values), benjamini_hochberg(p_values), strict=True)
    return [AdjustedP(*values) for values in columns]
