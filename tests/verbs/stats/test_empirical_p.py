"""``stats empirical-p``: counts, rows of a table, and one number among the rows of a column."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError
from cxrshort.verbs.stats.empirical_p import empirical_p

from .scored import written


def random(folder: Path, rows: int = 3, columns: int = 9, **more: Any) -> Path:
    """Return a table whose random numbers are 1 to 9 in each row."""
    table = {f"random_{place}": [place + 1.0] * rows for place in range(columns)}
    return written(pd.DataFrame(table | {"observed": [0.5, 9.0, 10.0][:rows]} | more), folder, "null.csv")


def refusal(table: Path | None = None, **options: Any) -> tuple[int, str]:
    with pytest.raises(CxrshortError) as caught:
        empirical_p(table, **options)
    return caught.value.exit_code, caught.value.message


def test_counts_give_a_p_and_the_share_it_rests_on() -> None:
    result = empirical_p(extreme=12, draws=1000)
    (test,) = result.summary["tests"]
    assert (test["p"], test["smallest_p"], test["finding"]) == (13 / 1001, 1 / 1001, "shown")
    assert test["share_low"] < test["share"] == 0.012 < test["share_high"]
    assert result.notes == ["counts alone have no effect size: the share of random numbers stands for it"]


def test_each_row_is_a_test_with_an_effect_adjusted_by_holm(tmp_path: Path) -> None:
    tests = empirical_p(random(tmp_path), observed="observed", null=["random_*"]).summary["tests"]
    assert [test["r"] for test in tests] == [9, 1, 0]
    assert [test["r_strictly"] for test in tests] == [9, 0, 0]
    assert [test["p"] for test in tests] == [1.0, 0.2, 0.1]
    assert [test["p_strict"] for test in tests] == [1.0, 0.1, 0.1]
    assert [test["p_holm"] for test in tests] == pytest.approx([1.0, 0.4, 0.3])
    assert [test["effect"] for test in tests] == [-4.5, 4.0, 5.0]
    assert tests[1]["effect_sd"] == pytest.approx(4 / np.std(range(1, 10), ddof=1))
    assert {test["finding"] for test in tests} == {"not shown"}


def test_direction_turns_the_test(tmp_path: Path) -> None:
    options = {"observed": "observed", "null": ["random_*"], "direction": "decrease"}
    assert [test["r"] for test in empirical_p(random(tmp_path), **options).summary["tests"]] == [0, 9, 9]


def test_number_is_tested_among_all_rows_of_a_column(tmp_path: Path) -> None:
    table = written(pd.DataFrame({"z": np.arange(99.0)}), tmp_path, "z.csv")
    (test,) = empirical_p(table, observed="97", null=["z"]).summary["tests"]
    assert (test["r"], test["n"], test["p"], test["effect"]) == (2, 99, 0.03, 48.0)


def test_too_few_random_numbers_are_said(tmp_path: Path) -> None:
    notes = empirical_p(random(tmp_path), observed="observed", null=["random_*"]).notes
    assert notes == ["9 random numbers are too few to show anything in 3 tests: the smallest p-value is 0.1"]
    notes = empirical_p(random(tmp_path, rows=1), observed="observed", null=["random_*"]).notes
    assert notes == ["9 random numbers are too few to show anything: the smallest p-value is 0.1"]


def test_equal_random_numbers_have_no_deviation(tmp_path: Path) -> None:
    table = written(pd.DataFrame({"a": [1.0], "b": [1.0], "o": [2.0]}), tmp_path, "t.csv")
    (test,) = empirical_p(table, observed="o", null=["a", "b"]).summary["tests"]
    assert test["effect_sd"] is None and test["effect"] == 1.0
    (test,) = empirical_p(table, observed="o", null=["a"]).summary["tests"]
    assert test["effect_sd"] is None


def test_many_tests_are_printed_in_part(tmp_path: Path) -> None:
    table = written(pd.DataFrame({"a": np.zeros(40), "b": np.ones(40), "o": np.ones(40)}), tmp_path, "t.csv")
    result = empirical_p(table, observed="o", null=["a", "b"])
    assert [len(block.rows) for block in result.tables] == [30, 40]
    assert "the first 30 of 40" in result.tables[0].title


def test_folder_holds_table_and_figure(tmp_path: Path) -> None:
    result = empirical_p(random(tmp_path), observed="observed", null=["random_*"], out=tmp_path / "o", figures=True)
    assert [path.name for path in result.figures] == ["null.png"]
    assert pd.read_csv(tmp_path / "o" / "tests.csv")["r"].tolist() == [9, 1, 0]
    counted = empirical_p(extreme=0, draws=10, out=tmp_path / "c")
    assert json.loads((tmp_path / "c" / "run.json").read_text())["inputs"] == {} and counted.folder is not None


def test_wrong_options_and_tables_are_refused(tmp_path: Path) -> None:
    path = random(tmp_path, gap=[1.0, np.nan, 2.0])
    needs = "an empirical p-value needs random numbers"
    assert refusal() == (2, needs)
    assert refusal(path, observed="observed") == (2, needs)
    assert refusal(path, null=["random_*"]) == (2, needs)
    assert refusal(extreme=3) == (2, "--r and --n belong together")
    assert refusal(path, extreme=3, draws=5) == (2, "--r and --n stand for a table")
    assert refusal(extreme=1, draws=5, figures=True, out=tmp_path / "o") == (2, "counts alone cannot be drawn")
    assert refusal(extreme=7, draws=5) == (65, "r = 7 of n = 5: r must lie between 0 and n, and n be at least 1")
    assert refusal(path, observed="observed", null=["x*"]) == (65, "null.csv: no column matches 'x*'")
    assert refusal(path, observed="observd", null=["random_1"]) == (65, "null.csv: there is no column 'observd'")
    assert refusal(path, observed="observed", null=["gap"]) == (
        65,
        "null.csv: 1 numbers are missing: each test needs all of its random numbers",
    )
    assert refusal(path, observed="observed", null=["random_1"], direction="up") == (2, "'up' is not a known direction")
