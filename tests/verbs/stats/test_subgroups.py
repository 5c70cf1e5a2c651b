"""``stats subgroups``: numbers are those of the library, the planted group is the worst, small groups are listed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.signed_rank import holm
from cxrshort.verbs.stats.subgroups import subgroups

from .groups import grouped_predictions
from .scored import plain, written

FAST = {"draws": 200}


def find(rows: list[dict], **facts: object) -> dict:
    (row,) = [row for row in rows if all(row[name] == value for name, value in facts.items())]
    return row


def test_numbers_are_those_of_the_statistics(tmp_path: Path) -> None:
    table = grouped_predictions()
    summary = subgroups(written(table, tmp_path), label="Edema", level=0.9, **FAST).summary
    women = table["sex"] == "F"
    area = auc_interval(*(table.loc[women, name] for name in ("target.Edema", "logit.Edema", "person_id")), level=0.9)
    row = find(summary["comparisons"], group="sex F", metric="auc")
    assert (row["value"], row["low"], row["high"]) == pytest.approx((area.auc, area.low, area.high))
    men = table["sex"] == "M"
    assert row["rest"] == pytest.approx(auc_interval(table.loc[men, "target.Edema"], table.loc[men, "logit.Edema"]).auc)
    size = find(summary["groups"], group="sex F")
    assert (size["positives"], size["images"]) == ((table["target.Edema"] == 1)[women].sum(), women.sum())
    assert size["persons"] == table.loc[women, "person_id"].nunique()
    missed = find(summary["comparisons"], group="sex F", metric="sensitivity")
    assert missed["value"] == (table["logit.Edema"] >= 0)[women & (table["target.Edema"] == 1)].mean()


def test_planted_group_is_the_worst_and_suspicious(tmp_path: Path) -> None:
    result = subgroups(written(grouped_predictions(1200), tmp_path), **FAST)
    worst = result.tables[0].rows[0]
    assert worst["group"] in ("Edema: sex F, age_years 60 to 80", "Edema: sex F, age_years 80 and above")
    assert "AUC lower" in worst["finding"]
    verdicts = {(row["label"], row["group"]): row["verdict"] for row in result.summary["groups"]}
    assert verdicts["Edema", "sex F, age_years 60 to 80"] == "suspicious"
    assert {verdict for (label, _), verdict in verdicts.items() if label == "Mass"} <= {"no evidence", "not testable"}
    assert list(result.verdicts) == list(verdicts.values())


def test_holm_is_over_all_comparisons_of_a_label(tmp_path: Path) -> None:
    rows = subgroups(written(grouped_predictions(), tmp_path), **FAST).summary["comparisons"]
    for label in ("Edema", "Mass"):
        own = [row for row in rows if row["label"] == label]
        assert [row["p_holm"] for row in own] == pytest.approx(holm([row["p"] for row in own]))
        assert {row["finding"] for row in own if row["metric"] == "average precision"} == {"not compared"}


def test_largest_gaps_are_of_columns_and_adjusted_over_them(tmp_path: Path) -> None:
    summary = subgroups(written(grouped_predictions(1200), tmp_path), label="Edema", **FAST).summary
    gap = find(summary["gaps"], column="sex", metric="auc")
    values = [find(summary["comparisons"], group=f"sex {sex}", metric="auc")["value"] for sex in "FM"]
    assert (gap["lowest"], gap["highest"], gap["gap"]) == ("sex F", "sex M", pytest.approx(values[1] - values[0]))
    assert (gap["p"], gap["draws"]) == (1 / 201, 200)
    areas = [row for row in summary["gaps"] if row["metric"] == "auc"]
    assert [row["p_holm"] for row in areas] == pytest.approx(holm([row["p"] for row in areas]))
    assert {row["column"] for row in areas} == {"sex", "age_years", "view", "repository"}


def test_small_groups_are_listed_and_not_judged(tmp_path: Path) -> None:
    result = subgroups(written(grouped_predictions(), tmp_path), label="Edema", **FAST)
    agfa = find(result.summary["groups"], group="manufacturer Agfa")
    assert (agfa["judged"], agfa["verdict"], agfa["persons"]) == (False, "not testable", 3)
    assert agfa["reason"].endswith("of 10 needed")
    assert not [row for row in result.summary["comparisons"] if row["group"] == "manufacturer Agfa"]
    # Everybody but three persons: the rest is what is too small.
    assert find(result.summary["groups"], group="manufacturer GE")["reason"].startswith("everybody else: ")
    assert "Not judged" in result.tables[-2].text


def test_group_of_everybody_is_compared_with_nobody(tmp_path: Path) -> None:
    table = grouped_predictions().assign(site="x")
    result = subgroups(written(table, tmp_path), label="Edema", columns=["sex", "site"], **FAST)
    assert find(result.summary["groups"], group="site x")["reason"] == "everybody is of this group"


def test_no_group_that_is_large_enough_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        subgroups(written(grouped_predictions(), tmp_path), label="Edema", minimum=200, pairs=False)
    assert caught.value.message == (
        "predictions.csv: of 12 groups none has, like everybody else, 200 persons with the finding and 200 without"
    )
    assert caught.value.hint == "name columns of larger groups by --columns, or lower --minimum"


def test_any_table_with_a_target_and_a_score_will_do(tmp_path: Path) -> None:
    table = grouped_predictions()
    foreign = pd.DataFrame({
        "label": table["target.Edema"], "p": 1 / (1 + np.exp(-table["logit.Edema"])),
        "patient": table["person_id"], "ward": table["repository"], "years": table["age_years"],
    })  # fmt: skip
    path = written(foreign, tmp_path, "t.csv")
    summary = subgroups(
        path, target="label", score="p", person="patient", columns=["ward", "years:60"], threshold=0.4, **FAST
    ).summary
    assert [row["group"] for row in summary["groups"]][:4] == [
        "ward nih", "ward padchest", "years below 60", "years 60 and above",
    ]  # fmt: skip
    called = find(summary["comparisons"], group="ward nih", metric="sensitivity")
    ill = (table["target.Edema"] == 1) & (table["repository"] == "nih")
    assert called["value"] == (foreign["p"] >= 0.4)[ill].mean()
    assert summary["underdiagnosis"] == []


def test_empty_cells_are_counted(tmp_path: Path) -> None:
    notes = subgroups(written(grouped_predictions(), tmp_path), label="Edema", **FAST).notes
    assert "images without a value are of no group, of 480: sex 12" in notes


def test_same_seed_gives_the_same_result(tmp_path: Path) -> None:
    path = written(grouped_predictions(), tmp_path)
    first, again = (subgroups(path, label="Edema", seed=3, **FAST).summary for _ in range(2))
    assert first == again


def test_folder_holds_tables_and_figures(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = subgroups(written(grouped_predictions(), tmp_path), out=out, figures=True, **FAST)
    assert [path.name for path in result.figures] == [
        "auc-by-group.png", "sensitivity-by-group.png", "specificity-by-group.png",
    ]  # fmt: skip
    summary = json.loads((out / "summary.json").read_text())
    for name in ("groups", "comparisons", "gaps", "underdiagnosis"):
        assert len(pd.read_csv(out / f"{name}.csv")) == len(summary[name]) > 0
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"minimum": 1}, UsageError, 'minimum "1" is below 2: one person has no variance'),
        ({"draws": 0}, UsageError, 'draws "0" must be at least 1'),
        ({"columns": ["sx"]}, DataError, "predictions.csv: there is no column 'sx'"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict, kind: type, message: str) -> None:
    with pytest.raises(kind) as caught:
        subgroups(written(grouped_predictions(), tmp_path), **options)
    assert caught.value.message == message


def test_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none has, like everybody else"):
        subgroups(plain(tmp_path, label=[0] * 12), target="label", score="score", person="patient", columns=["view"])
