"""``stats gap``: inside minus outside, as it is and at one case mix."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.case_mix import Stratified, matched_gap
from cxrshort.stats.gap import Sample
from cxrshort.stats.predictions import gap_table
from cxrshort.verbs.stats.gap import gap

from .scored import plain, predictions, written


def test_crude_gap_is_that_of_evaluate(tmp_path: Path) -> None:
    table = predictions(replicates=2)
    rows = [row for row in gap(written(table, tmp_path)).summary["gaps"] if row["matched"] == "nothing"]
    expected = gap_table(table)
    for name in ("gap", "low", "high", "internal_auc", "external_auc"):
        assert [row[name] for row in rows] == pytest.approx(expected[name].tolist(), abs=1e-12)
    assert [row["label"] for row in rows] == expected["label"].tolist()
    assert {row["replicates"] for row in rows} == {2}


def test_matched_gaps_are_those_of_the_statistic(tmp_path: Path) -> None:
    table = predictions()
    rows = gap(written(table, tmp_path), label="Edema").summary["gaps"]
    assert [row["matched"] for row in rows] == ["nothing", "view", "view+class"]
    sides = [
        [Stratified(Sample(part["target.Edema"], part["logit.Edema"], part["person_id"]), part["view"])]
        for _, part in table.groupby("dataset")
    ]
    for row, by_class in zip(rows[1:], (False, True), strict=True):
        expected = matched_gap(*sides, by_class=by_class)
        assert (row["gap"], row["low"], row["effective"]) == pytest.approx(
            (expected.gap.difference, expected.gap.low, expected.effective), abs=1e-12
        )


def test_any_table_with_a_column_of_roles(tmp_path: Path) -> None:
    path = plain(tmp_path, side=["internal", "internal", "external"] * 4)
    result = gap(path, target="label", score="score", person="patient", role="side", match="view")
    assert [row["internal_images"] for row in result.summary["gaps"]] == [8] * 3
    assert (result.summary["gaps"][0]["internal"], result.summary["gaps"][0]["external"]) == ("internal", "external")


def test_standard_input_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with written(predictions(), tmp_path).open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert len(gap("-", label="Edema").summary["gaps"]) == 3


def test_without_views_only_the_crude_gap_is_given_and_that_is_said(tmp_path: Path) -> None:
    result = gap(written(predictions().drop(columns="view"), tmp_path))
    assert {row["matched"] for row in result.summary["gaps"]} == {"nothing"}
    assert result.notes == [
        "there is no column 'view': the gap at the same case mix is not computed; --match COLUMN names one"
    ]


def test_views_of_one_side_and_mixes_that_differ_much_are_said(tmp_path: Path) -> None:
    table = predictions()
    inside = table["role"] == "internal"
    table.loc[inside, "view"] = ["PA"] * 53 + ["AP"] * 7
    table.loc[~inside, "view"] = ["SUPINE"] * 2 + ["PA"] * 5 + ["AP"] * 53
    notes = gap(written(table, tmp_path), label="COVID-19").notes
    assert notes[0] == (
        "strata of 'view' that one side lacks cannot be matched: up to 0 images inside and 2 outside are left out of "
        "matched gaps"
    )
    assert notes[1].startswith("the case mixes differ much: matched, the images inside are worth no more than ")


def test_finding_is_shown_only_where_the_interval_says_so(tmp_path: Path) -> None:
    table = predictions(120)
    inside = table["role"] == "internal"
    table.loc[inside, "logit.Edema"] += 4 * table["target.Edema"]
    rows = gap(written(table, tmp_path)).summary["gaps"]
    findings = {(row["label"], row["finding"]) for row in rows}
    assert findings == {("Edema", "shown"), ("COVID-19", "not shown")}
    table.loc[inside, "logit.Edema"] *= -1
    rows = gap(written(table, tmp_path), label="Edema").summary["gaps"]
    assert {row["finding"] for row in rows} == {"better outside"}


def test_folder_holds_table_and_figure(tmp_path: Path) -> None:
    result = gap(written(predictions(), tmp_path), out=tmp_path / "out", figures=True)
    assert [path.name for path in result.figures] == ["gap.png"]
    assert len(pd.read_csv(tmp_path / "out" / "gaps.csv")) == 6
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["match"] == "view"


def test_one_side_alone_is_refused(tmp_path: Path) -> None:
    table = predictions()
    path = written(table[table["role"] == "internal"], tmp_path)
    with pytest.raises(DataError) as caught:
        gap(path)
    assert caught.value.message == (
        "predictions.csv: no model has both 'internal' and 'external' in column 'role' (it holds 'internal')"
    )
    assert caught.value.hint.startswith("evaluate on a dataset of another hospital too")


def test_one_class_is_refused(tmp_path: Path) -> None:
    table = predictions().assign(**{"target.Edema": 0})
    with pytest.raises(DataError) as caught:
        gap(written(table, tmp_path), label="Edema")
    assert caught.value.message == (
        "predictions.csv: no gap can be given an interval (internal: only negatives; external: only negatives)"
    )
