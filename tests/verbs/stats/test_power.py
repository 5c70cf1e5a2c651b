"""``stats power``: the designs and the reach of the library, planned as stated or like the table."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.power import Sampling, images_for_difference, images_for_width, set_power
from cxrshort.verbs.stats.power import power

from .scored import plain, predictions, written


def test_published_size_comes_out() -> None:
    rows = power(aucs=[0.85], half_width=0.04, difference=0.03, prevalence=0.15, correlation=0.6).summary["designs"]
    width, difference = rows
    assert (width["goal"], width["images"], width["positives"]) == ("interval of ± 0.04", 984, 148)
    assert (difference["goal"], difference["images"]) == ("difference of 0.03", 3084)


def test_designs_are_those_of_the_library_for_repeated_persons() -> None:
    options: dict[str, Any] = {"prevalence": 0.3, "images_per_person": 3.0, "person_correlation": 0.7}
    rows = power(aucs=[0.7, 0.9], half_width=0.05, difference=0.04, chance=0.9, level=0.9, **options).summary["designs"]
    sampling = Sampling(0.3, 3.0, 0.7)
    expected = [images_for_width(auc, sampling=sampling, half_width=0.05, level=0.9) for auc in (0.7, 0.9)]
    expected += [images_for_difference(auc, auc - 0.04, sampling=sampling, level=0.9, power=0.9) for auc in (0.7, 0.9)]
    assert [(row["images"], row["persons"]) for row in rows] == [(plan.images, plan.persons) for plan in expected]


def test_reach_of_a_table_is_that_of_its_targets_and_persons(tmp_path: Path) -> None:
    path = plain(tmp_path)
    table = pd.read_csv(path)
    rows = power(path, target="label", person="patient", aucs=[0.8, 0.9]).summary["reach"]
    expected = set_power(table["label"], table["patient"], aucs=(0.8, 0.9))
    for row, reach in zip(rows, expected.reach, strict=True):
        assert (row["half_width"], row["smallest_drop"]) == (reach.half_width, reach.smallest_drop)
    assert (rows[0]["persons"], rows[0]["design_effect"]) == (8, 1.25)


def test_table_says_how_the_planned_set_is_drawn(tmp_path: Path) -> None:
    path = plain(tmp_path, label=[0] * 9 + [1] * 3)
    rows = power(path, target="label", person="patient").summary["designs"]
    assert {row["prevalence"] for row in rows} == {0.25}
    assert {row["design_effect"] for row in rows} == {1.25}
    stated = power(path, target="label", person="patient", prevalence=0.1, images_per_person=1).summary["designs"]
    assert {(row["prevalence"], row["design_effect"]) for row in stated} == {(0.1, 1.0)}


def test_models_of_one_test_set_are_one_row(tmp_path: Path) -> None:
    table = predictions()
    other = table.assign(model="runs/x", model_id="x", training="b", training_id="u")
    rows = power(written(pd.concat([table, other]), tmp_path), label="Edema", aucs=[0.8]).summary["reach"]
    assert [row["dataset"] for row in rows] == ["hospital-a", "hospital-b"]


def test_scores_play_no_part(tmp_path: Path) -> None:
    table = pd.DataFrame({"label": [0, 1, 1, 0, None], "person_id": list("abcde")})
    result = power(written(table, tmp_path, "t.csv"), target="label", aucs=[0.9])
    assert result.summary["reach"][0]["images"] == 4
    assert result.notes[0] == "rows without a target are left out: 1 of 5"


def test_what_no_set_reaches_is_said(tmp_path: Path) -> None:
    result = power(aucs=[0.8], half_width=1e-6, prevalence=0.1)
    (width, _) = result.summary["designs"]
    assert (width["images"], width["reason"]) == (None, "more than 1,000,000,000 images would be needed")
    assert result.tables[0].rows[0]["images"] == "out of reach"  # type: ignore[union-attr]
    assert result.notes == ["interval of ± 1e-06 at an AUC of 0.8: more than 1,000,000,000 images would be needed"]
    tiny = power(plain(tmp_path, label=[0] * 11 + [1]), target="label", aucs=[0.6])
    assert tiny.summary["reach"][0]["smallest_drop"] is None
    assert tiny.summary["reach"][0]["reason"] == "no difference can be shown"
    json.dumps(tiny.document, allow_nan=False)


def test_one_class_is_refused_and_noted_beside_others(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        power(plain(tmp_path, label=[0] * 12), target="label")
    assert caught.value.message == (
        "scores.csv: no test set has images of both classes (only negatives: a test set needs images of both classes)"
    )
    table = predictions().assign(**{"target.Edema": 1.0})
    result = power(written(table, tmp_path), aucs=[0.8])
    reasons = {(row["label"], row["reason"]) for row in result.summary["reach"]}
    assert reasons == {("Edema", "only positives: a test set needs images of both classes"), ("COVID-19", "")}
    assert {row["label"] for row in result.summary["designs"]} == {"COVID-19"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing says how many images are positive"),
        ({"prevalence": 1.5}, 'prevalence "1.5" is not between 0 and 1'),
        ({"prevalence": 0.1, "aucs": [1.2]}, 'auc "1.2" is not between 0 and 1'),
        ({"prevalence": 0.1, "chance": 1.0}, 'power "1" is not between 0 and 1'),
        ({"prevalence": 0.1, "target": "label"}, "--target, --person and --label are of a table"),
        ({"prevalence": 0.1, "half_width": 0.0}, 'half width "0" is not between 0 and 1'),
        (
            {"prevalence": 0.1, "difference": 0.0},
            'AUCs of "0.7" and "0.7": no test set shows a difference that is not there',
        ),
    ],
)
def test_wrong_usage_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        power(**options)
    assert caught.value.message == message


def test_targets_that_are_not_0_or_1_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'label' holds 6 targets that are neither 0 nor 1, such as '2'"):
        power(plain(tmp_path, label=[0, 2] * 6), target="label")


def test_folder_holds_tables_and_the_figure(tmp_path: Path) -> None:
    result = power(written(predictions(), tmp_path), out=tmp_path / "out", figures=True)
    assert [path.name for path in result.figures] == ["power.png"]
    assert len(pd.read_csv(tmp_path / "out" / "reach.csv")) == 4 * 4
    assert len(pd.read_csv(tmp_path / "out" / "designs.csv")) == 4 * 8


def test_table_without_targets_is_told_of_the_option_that_power_has(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("label,probability\n0,0.1\n1,0.9\n")
    with pytest.raises(
        DataError, match="^own.csv is no table of predictions: it has no column 'target.LABEL'$"
    ) as error:
        power(path)
    assert error.value.hint == "name its column of targets by --target: label, probability"
