"""``stats consensus``: against Demsar's example, scipy and the functions of statistics called directly."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import friedmanchisquare, wilcoxon

from cxrshort.errors import CxrshortError
from cxrshort.stats.consensus import bayesian_signed_rank
from cxrshort.verbs.stats.consensus import consensus

from .scored import two_trainings, written

METHODS = ["base", "better", "same"]


def table(folder: Path, *, datasets: int = 12) -> Path:
    rng = np.random.default_rng(0)
    base = rng.uniform(0.7, 0.9, datasets)
    rows = {
        "base": base,
        "better": base + rng.uniform(0.03, 0.08, datasets),
        "same": base + rng.uniform(-0.004, 0.004, datasets),
    }
    return written(pd.DataFrame(rows), folder, "table.csv")


def refusal(path: Path, **options: object) -> tuple[int, str]:
    with pytest.raises(CxrshortError) as caught:
        consensus(path, **options)
    return caught.value.exit_code, caught.value.message


def test_ranks_and_tests_are_those_of_scipy(tmp_path: Path) -> None:
    path = table(tmp_path)
    summary = consensus(path, methods=METHODS).summary
    rows = pd.read_csv(path)
    expected = friedmanchisquare(*(rows[name] for name in METHODS))
    (friedman,) = summary["friedman"]
    assert (friedman["chi_square"], friedman["p_chi_square"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert friedman["finding"] == "methods differ"
    assert summary["ranks"][0]["method"] == "better" and summary["ranks"][0]["wins"] == 12
    ranks = rows[METHODS].rank(axis=1, ascending=False).mean()
    assert {row["method"]: row["mean_rank"] for row in summary["ranks"]} == pytest.approx(dict(ranks))
    letters = {row["method"]: set(row["not_told_apart"].split()) for row in summary["ranks"]}
    assert letters["base"] & letters["same"] and not letters["better"] & letters["base"]


def test_pairs_have_posterior_and_signed_rank_test(tmp_path: Path) -> None:
    path = table(tmp_path)
    pairs = consensus(path, methods=METHODS, region=0.01).summary["pairs"]
    rows = pd.read_csv(path)
    assert [(row["first"], row["second"]) for row in pairs] == [
        ("base", "better"),
        ("base", "same"),
        ("better", "same"),
    ]
    assert [row["finding"] for row in pairs] == ["better better", "equivalent in practice", "better better"]
    for row in pairs:
        own, other = rows[row["first"]], rows[row["second"]]
        assert row["p"] == pytest.approx(wilcoxon(own - other).pvalue)
        posterior = bayesian_signed_rank(own, other, rng=np.random.default_rng(0), region=0.01)
        assert (row["first_better"], row["equivalent"]) == (posterior.first, posterior.equivalent)
        assert row["tests"] == 3


def test_errors_turn_the_order(tmp_path: Path) -> None:
    summary = consensus(table(tmp_path), methods=METHODS, lower_is_better=True).summary
    assert summary["ranks"][-1]["method"] == "better"
    assert summary["pairs"][0]["finding"] == "base better"


def test_two_methods_of_predictions_have_no_ranks_to_test(tmp_path: Path) -> None:
    result = consensus(written(two_trainings(), tmp_path), label="Edema")
    assert (result.summary["friedman"], len(result.summary["pairs"])) == ([], 1)
    assert result.notes[-2:] == [
        "only 2 datasets; 10 or more are advised",
        "two methods have no ranks to test: the signed-rank test compares them",
    ]


def test_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    path = table(tmp_path, datasets=4)
    first, again, other = (consensus(path, methods=METHODS, seed=seed).summary["pairs"] for seed in (1, 1, 2))
    assert first == again != other


def test_folder_holds_tables_and_figure(tmp_path: Path) -> None:
    result = consensus(table(tmp_path), methods=METHODS, out=tmp_path / "o", figures=True)
    assert {path.name for path in (tmp_path / "o").iterdir()} == {
        *("ranks.csv", "pairs.csv", "consensus.png", "run.json", "summary.json"),
    }
    assert json.loads((tmp_path / "o" / "summary.json").read_text())["ranks"] == result.summary["ranks"]


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path)
    assert refusal(path, value="base") == (2, "--group is missing: --value and --group name two columns")
    assert refusal(path, value="base", group="same", methods=METHODS)[0] == 2
    assert refusal(path, methods=METHODS, region=-1.0) == (2, 'region "-1" must not be negative')
    assert refusal(path, methods=["base", "bettr"]) == (65, "table.csv: there is no column 'bettr'")
    assert refusal(path, methods=METHODS[:2], out=tmp_path / "o", figures=True) == (
        65,
        "two methods have no critical difference diagram",
    )
