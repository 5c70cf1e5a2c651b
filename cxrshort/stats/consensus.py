"""Several methods over several datasets: which is better throughout.

What would invalidate the answers: datasets that are not independent of one another (splits or subsets of one source
count once); a score per dataset that is itself noise, since the size of a dataset does not count here; few datasets.
With five, Wilcoxon's test cannot reach 0.05 at all; Demsar advises more than ten, and the field says dozens.

Sources: Friedman, J. Am. Stat. Assoc. 32:675 (1937); Iman & Davenport, Commun. Stat. A9:571 (1980); Nemenyi's critical
difference as in Demsar, J. Mach. Learn. Res. 7:1 (2006); Benavoli et al., ICML 2014 and J. Mach. Learn. Res. 18:77
(2017), for the Bayesian signed-rank test with a region of practical equivalence.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, rankdata, studentized_range
from scipy.stats import f as f_distribution

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.midranks import Bools, Floats

FEW_DATASETS = 10
"""Datasets below which a consensus is said to rest on few."""
PRIOR_STRENGTH = 0.5
"""Weight of the prior's one observation, a difference of 0 (Benavoli et al. 2017)."""
DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class RankConsensus:
    """Hold mean ranks of methods over datasets, and which are told apart.

    Args:
        mean_ranks: one per method, 1 is best, ties have mid-ranks.
        chi_square: Friedman's statistic, corrected for ties; 0 where all methods tie on every dataset.
        p_chi_square: by its chi-square distribution, which is conservative.
        f: Iman and Davenport's statistic; infinite where the ranks are the same on every dataset.
        p_f: by its F distribution.
        critical_difference: Nemenyi's: mean ranks that differ by at least this much are told apart.
        groups: largest sets of methods that are not told apart, as positions, best first; the bars of a critical
            difference diagram.
        datasets: how many.
        level: error of the first kind.
        caution: that there are few datasets; "" where there are enough.
    """

    mean_ranks: tuple[float, ...]
    chi_square: float
    p_chi_square: float
    f: float
    p_f: float
    critical_difference: float
    groups: tuple[tuple[int, ...], ...]
    datasets: int
    level: float
    caution: str


@dataclass(frozen=True, slots=True)
class BayesianSignedRank:
    """Hold how probable it is that one of two methods is better in practice.

    Args:
        first: probability that the first is better by more than the region.
        equivalent: probability that the difference lies within the region.
        second: probability that the second is better by more than the region.
        region: half width of the region of practical equivalence.
        datasets: how many.
        caution: that there are few datasets; "" where there are enough.
    """

    first: float
    equivalent: float
    second: float
    region: float
    datasets: int
    caution: str


def rank_consensus(scores: ArrayLike, *, level: float = 0.05) -> RankConsensus:
    """Rank methods on each dataset and test whether they differ (Friedman, Nemenyi).

    Args:
        scores: (datasets, methods), larger is better.
        level: error of the first kind of the critical difference, in (0, 1).

    Raises:
        DataError: fewer than two datasets or three methods, or a score that is not finite.
        UsageError: a level outside (0, 1).

    Example:
        >>> consensus = rank_consensus([[0.9, 0.8, 0.7], [0.8, 0.7, 0.6], [0.9, 0.7, 0.8], [0.6, 0.5, 0.4]])
        >>> consensus.mean_ranks, round(consensus.critical_difference, 2), consensus.groups
        ((1.0, 2.25, 2.75), 1.66, ((0, 1), (1, 2)))
    """
    if not 0 < level < 1:
        raise UsageError(f'level "{level:g}" is not between 0 and 1', "try 0.05")
    table = np.asarray(scores, np.float64)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 3:
        raise DataError(
            f"scores of shape {table.shape}: at least two datasets and three methods are needed",
            "two methods are compared by the signed-rank test",
        )
    if wrong := int((~np.isfinite(table)).sum()):
        raise DataError(f"{wrong} of {table.size} scores are not finite: every method needs every dataset")
    datasets, methods = table.shape
    ranks = rankdata(-table, axis=1)
    means = ranks.mean(axis=0)
    # Friedman's statistic in the form that holds with ties: between methods over all within datasets.
    spread = float(((ranks - (methods + 1) / 2) ** 2).sum()) / (methods - 1)
    between = datasets**2 * float(((means - (methods + 1) / 2) ** 2).sum())
    chi_square = between / spread if spread > 0 else 0.0
    rest = datasets * (methods - 1) - chi_square
    f = (datasets - 1) * chi_square / rest if rest > 1e-9 else math.inf
    critical = critical_difference(methods, datasets=datasets, level=level)
    return RankConsensus(
        tuple(means.tolist()),
        chi_square,
        float(chi2.sf(chi_square, methods - 1)),
        f,
        float(f_distribution.sf(f, methods - 1, (methods - 1) * (datasets - 1))),
        critical,
        _groups(means, critical),
        datasets,
        level,
        _caution(datasets),
    )


def _caution(datasets: int) -> str:
    return f"only {datasets} datasets; {FEW_DATASETS} or more are advised" if datasets < FEW_DATASETS else ""


def critical_difference(methods: int, *, datasets: int, level: float = 0.05) -> float:
    """Return Nemenyi's critical difference of mean ranks: q sqrt(k (k + 1) / 6 N).

    Args:
        methods: how many, at least two.
        datasets: how many.
        level: error of the first kind over all pairs.

    Example:
        >>> round(critical_difference(4, datasets=14), 2)
        1.25
    """
    q = float(studentized_range.ppf(1 - level, methods, math.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * datasets))


def _groups(means: Floats, critical: float) -> tuple[tuple[int, ...], ...]:
    """Return the largest runs of methods, in the order of their ranks, within the critical difference."""
    order = np.argsort(means, kind="stable")
    ranked = means[order]
    groups: list[tuple[int, ...]] = []
    furthest = 0
    for start in range(len(order)):
        end = int(np.searchsorted(ranked, ranked[start] + critical, side="left"))
        if end > furthest:
            furthest = end
            groups.append(tuple(int(method) for method in order[start:end]))
    return tuple(groups)


def bayesian_signed_rank(
    first: ArrayLike, second: ArrayLike, *, rng: np.random.Generator, region: float = 0.01, draws: int = DRAWS
) -> BayesianSignedRank:
    """Return how probable it is that one method is better in practice over datasets like these.

    Datasets get Dirichlet weights, the prior one more at a difference of 0. In each draw the pairs of datasets whose
    mean difference lies left of, in, and right of the region are weighed against one another; the probabilities are the
    shares of draws in which each is the heaviest.

    Args:
        first: (datasets,) scores of the first method, larger is better.
        second: (datasets,) scores of the second method on the same datasets.
        rng: draws the weights.
        region: differences up to this size do not matter in practice; 0 for none.
        draws: of the weights.

    Raises:
        DataError: lengths that differ, no dataset, or a score that is not finite.
        UsageError: a negative region.

    Example:
        >>> posterior = bayesian_signed_rank([0.9] * 12, [0.8] * 12, rng=np.random.default_rng(0))
        >>> round(posterior.first, 2)
        1.0
    """
    if not 0 <= region < math.inf:
        raise UsageError(f'region "{region:g}" must not be negative', "try 0.01")
    x, y = (np.asarray(values, np.float64).ravel() for values in (first, second))
    if len(x) != len(y) or not len(x):
        raise DataError(f"{len(x)} and {len(y)} datasets: they must be as many, and at least one")
    differences = x - y
    if wrong := int((~np.isfinite(differences)).sum()):
        raise DataError(f"{wrong} of {len(x)} differences are not finite: every method needs every dataset")
    values = np.concatenate([[0.0], differences])
    sums = np.add.outer(values, values) / 2
    weights = rng.dirichlet([PRIOR_STRENGTH, *[1.0] * len(x)], draws)
    # 1e-12 is rounding of a difference of two scores that lies on the border.
    heavier = [_weight(weights, sums > region + 1e-12), _weight(weights, sums < -region - 1e-12)]
    shares = np.stack([heavier[0], 1 - heavier[0] - heavier[1], heavier[1]], axis=1)
    if region == 0:  # nothing lies in a region without width but ties, which are shared
        shares = np.stack([shares[:, 0], np.full(draws, -1.0), shares[:, 2]], axis=1)
    best = shares >= shares.max(axis=1, keepdims=True) - 1e-12
    won = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return BayesianSignedRank(float(won[0]), float(won[1]), float(won[2]), region, len(x), _caution(len(x)))


def _weight(weights: Floats, pairs: Bools) -> Floats:
    """Return the weight of the chosen pairs in each draw."""
    total: Floats = np.einsum("bi,bi->b", weights @ pairs.astype(np.float64), weights)
    return total
