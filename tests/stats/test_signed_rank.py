"""The signed-rank test against SciPy, enumeration and the paper's number; Holm against statsmodels."""

import itertools

import numpy as np
import pytest
from scipy.stats import rankdata, wilcoxon
from statsmodels.stats.multitest import multipletests

from cxrshort.errors import DataError
from cxrshort.stats.signed_rank import (
    MOST_EXACT,
    critical_statistic,
    fewest_differences,
    holm,
    signed_rank,
    smallest_signed_rank_p,
)


def test_paper_reports_the_normal_approximation() -> None:
    """DeGrave et al. 2021: 20 images, T = 0, P = 8.86e-5."""
    found = signed_rank(np.random.default_rng(0).uniform(0.1, 3, 20))
    assert (found.statistic, found.differences, found.zeros) == (0, 20, 0)
    assert f"{found.p_normal:.2e}" == "8.86e-05"
    assert found.p_exact == 2 / 2**20 and found.p == found.p_exact


@pytest.mark.parametrize("count", [1, 2, 7, 25, 60])
def test_p_values_are_scipys(count: int) -> None:
    values = np.random.default_rng(count).normal(0.3, 1, count)
    found = signed_rank(values)
    exact = wilcoxon(values, method="exact")
    normal = wilcoxon(values, method="asymptotic", correction=False)
    assert found.statistic == exact.statistic
    assert found.p_exact == pytest.approx(exact.pvalue, rel=1e-12)
    assert found.p_normal == pytest.approx(normal.pvalue, rel=1e-12)


def test_exact_p_with_ties_is_that_of_all_signs() -> None:
    values = np.array([1.0, -1, 1, 2, 2, -2, 3, 0, 0, 4, 4])
    kept = values[values != 0]
    ranks = rankdata(abs(kept))
    sums = np.array([ranks @ signs for signs in itertools.product((0, 1), repeat=len(kept))])
    observed = min(ranks[kept > 0].sum(), ranks[kept < 0].sum())
    found = signed_rank(values)
    assert (found.statistic, found.differences, found.zeros) == (observed, 9, 2)
    assert found.p_exact == pytest.approx(min(1, 2 * np.mean(sums <= observed)), rel=1e-12)
    assert found.p_normal == pytest.approx(wilcoxon(values, method="asymptotic", correction=False).pvalue, rel=1e-12)


def test_many_differences_have_the_approximation_alone() -> None:
    values = np.random.default_rng(0).normal(0.05, 1, MOST_EXACT + 1)
    found = signed_rank(values)
    assert found.p_exact is None
    assert found.p == pytest.approx(wilcoxon(values, method="asymptotic", correction=False).pvalue, rel=1e-12)


def test_zeros_alone_are_no_evidence() -> None:
    assert signed_rank([0.0] * 5).p == 1 and signed_rank([]).p == 1


def test_differences_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="2 of 3 differences are not finite"):
        signed_rank([np.nan, 1.0, np.inf])


@pytest.mark.parametrize("count", [5, 6, 10, 20, 60])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_critical_statistic_is_the_last_that_reaches_the_level(count: int, level: float) -> None:
    critical = critical_statistic(count, level=level)
    assert (critical >= 0) == (smallest_signed_rank_p(count) <= level) == (count >= fewest_differences(level))
    if critical >= 0:
        ranks = np.arange(1, count + 1)
        p = {}
        for statistic in (critical, critical + 1):
            signs, left = np.ones(count), statistic
            for rank in ranks[::-1]:
                if rank <= left:
                    signs[rank - 1], left = -1, left - rank
            p[statistic] = signed_rank(ranks * signs).p
        assert p[critical] <= level < p[critical + 1]


def test_critical_statistic_of_many_differences_is_near_the_exact_one() -> None:
    assert abs(critical_statistic(MOST_EXACT, level=0.05) - critical_statistic(MOST_EXACT + 1, level=0.05)) < 200
    assert signed_rank(np.arange(1, 302) * np.where(np.arange(301) % 2, 1, -1)).p > 0.05


def test_holm_is_statsmodels() -> None:
    p = np.random.default_rng(0).uniform(0, 0.2, 9)
    np.testing.assert_allclose(holm(p.tolist()), multipletests(p, method="holm")[1])
    assert holm([None, 0.4]) == [None, 0.4] and holm([]) == []
    assert holm([0.6, 0.9]) == [1.0, 1.0]
