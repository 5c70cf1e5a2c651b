"""Corrections of families of tests, against statsmodels."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from cxrshort.errors import UsageError
from cxrshort.verbs.stats.corrections import check_correction, correct_rows, finding, p_heading


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("benjamini-hochberg", "fdr_bh")])
def test_correction_is_that_of_statsmodels(correction, method):
    p = np.random.default_rng(0).uniform(0, 0.2, 9).round(2)
    rows = correct_rows([{"p": value} for value in p], correction)
    assert [row["p_adjusted"] for row in rows] == pytest.approx(multipletests(p, method=method)[1])
    assert {row["tests"] for row in rows} == {9}


def test_families_are_corrected_apart_and_missing_tests_do_not_count():
    rows = [{"p": 0.01, "f": 0}, {"p": None, "f": 0}, {"p": 0.02, "f": 1}, {"p": 0.04, "f": 1}]
    corrected = correct_rows(rows, "holm", family=lambda row: row["f"])
    assert [(row["p_adjusted"], row["tests"]) for row in corrected] == [(0.01, 1), (None, 1), (0.04, 2), (0.04, 2)]
    assert [row["p_adjusted"] for row in correct_rows(rows, "none")] == [0.01, None, 0.02, 0.04]
    assert "p_adjusted" not in rows[0]


def test_heading_names_the_correction_only_where_there_was_one():
    assert p_heading([{"tests": 2}], "holm") == "P, Holm"
    assert p_heading([{"tests": 1}], "holm") == p_heading([{"tests": 2}], "none") == ""


def test_unknown_correction_is_refused_and_the_border_is_a_finding():
    with pytest.raises(UsageError) as caught:
        check_correction("holmes")
    assert (caught.value.message, caught.value.hint) == ("'holmes' is not a known correction", "did you mean 'holm'?")
    assert finding(-0.1, 0.05, 0.95) == "worse"
