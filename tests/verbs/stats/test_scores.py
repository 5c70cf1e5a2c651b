"""Scores of a table: what is told apart, what is left out and counted, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxrshort.errors import CxrshortError, DataError, UsageError
from cxrshort.verbs.stats.scores import MOST_GROUPS, ScoreTable, check_groups, read_scores

from .scored import plain, predictions, written

NONE: dict[str, Any] = {"target": None, "score": None, "person": None, "label": None}
COLUMNS = {**NONE, "target": "label", "score": "score"}


def refusal(table: Path, **options: Any) -> tuple[int, str, str]:
    with pytest.raises(CxrshortError) as caught:
        read_scores(table, **{**NONE, **options})
    return caught.value.exit_code, caught.value.message, caught.value.hint


def test_predictions_are_cut_by_label_model_and_test_set(tmp_path: Path) -> None:
    table = predictions(replicates=2)
    scores = read_scores(written(table, tmp_path), **NONE)
    assert scores.predictions and scores.notes == []
    facts = [(part.facts["label"], part.facts["dataset"], part.facts["replicate"]) for part in scores.parts]
    assert facts == [
        (label, f"hospital-{name}", number) for label in ("Edema", "COVID-19") for name in "ab" for number in (0, 1)
    ]
    chosen = table[(table["dataset"] == "hospital-b") & (table["replicate"] == 1)]
    part = scores.parts[3]
    assert part.scores.tolist() == pytest.approx(chosen["logit.Edema"].tolist(), rel=1e-15)
    assert part.targets.tolist() == chosen["target.Edema"].tolist()
    names = chosen["person_id"].tolist()
    assert [names[0] == name for name in names] == (part.persons == part.persons[0]).tolist()
    assert len(set(part.persons)) == len(set(names)) == 30
    assert not set(part.persons) & set(scores.parts[0].persons)


def test_one_label_is_chosen(tmp_path: Path) -> None:
    scores = read_scores(written(predictions(), tmp_path), **{**NONE, "label": "COVID-19"})
    assert {part.facts["label"] for part in scores.parts} == {"COVID-19"}


def test_columns_of_predictions_may_be_named_too(tmp_path: Path) -> None:
    options = {**NONE, "target": "target.Edema", "score": "logit.COVID-19"}
    scores = read_scores(written(predictions(), tmp_path), **options)
    assert [part.facts["dataset"] for part in scores.parts] == ["hospital-a", "hospital-b"]  # never pooled


def test_any_table_is_one_test_set(tmp_path: Path) -> None:
    scores = read_scores(plain(tmp_path), **COLUMNS, columns=["view"])
    (part,) = scores.parts
    assert (dict(part.facts), len(part.targets), part.persons) == ({"label": "score"}, 12, None)
    assert scores.notes == [
        "every row counts as a person of its own; --person COLUMN says which rows are of one person"
    ]
    assert [(value, len(rows.targets)) for value, rows in part.by("view")] == [("AP", 6), ("PA", 6)]
    assert [value for value, _ in part.by(None)] == [""]


def test_persons_are_those_of_a_column(tmp_path: Path) -> None:
    named = read_scores(plain(tmp_path), **{**COLUMNS, "person": "patient"})
    assert (list(named.parts[0].persons[:3]), named.notes) == ([0, 0, 1], [])
    assumed = read_scores(plain(tmp_path, person_id=list("uuvvwwxxyyzz")), **COLUMNS)
    assert assumed.parts[0].persons.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert assumed.notes == ["rows of one person: those with the same 'person_id'"]


def test_rows_without_a_target_or_a_score_are_left_out_and_counted(tmp_path: Path) -> None:
    table = predictions()
    table.loc[:2, "target.Edema"] = np.nan
    table.loc[2:3, "logit.Edema"] = np.nan
    scores = read_scores(written(table, tmp_path), **NONE)
    assert scores.notes == [
        "rows without a target are left out, of 120: Edema 3",
        "rows without a score are left out, of 120: Edema 1",
    ]
    assert [len(part.targets) for part in scores.parts] == [56, 60, 60, 60]


def test_soft_targets_of_predictions_are_kept_for_who_counts_them(tmp_path: Path) -> None:
    table = predictions()
    table.loc[0, "target.Edema"] = 0.7
    assert read_scores(written(table, tmp_path), **NONE).parts[0].targets[0] == 0.7


def test_optional_columns_are_read_where_there_are_some(tmp_path: Path) -> None:
    scores = read_scores(plain(tmp_path), **COLUMNS, optional=["view", "sex"])
    assert list(scores.parts[0].columns) == ["view"]


def test_targets_that_are_not_0_or_1_are_refused(tmp_path: Path) -> None:
    message = "scores.csv: column 'label' holds 2 targets that are neither 0 nor 1, such as '2'"
    table = plain(tmp_path, label=[0] * 6 + [1] * 4 + [2, 0.5])
    assert refusal(table, target="label", score="score") == (65, message, "code the targets as 0 and 1")
    table = written(predictions().assign(**{"target.Edema": 3}), tmp_path)
    assert refusal(table)[:2] == (
        65,
        "predictions.csv: column 'target.Edema' holds 120 targets that are neither 0 nor 1, such as '3'",
    )


def test_nothing_left_is_refused(tmp_path: Path) -> None:
    table = plain(tmp_path, score=[np.nan] * 12)
    assert refusal(table, target="label", score="score")[:2] == (
        65,
        "scores.csv: no row has both a target and a score",
    )


def test_row_without_a_person_is_refused(tmp_path: Path) -> None:
    table = plain(tmp_path, patient=["", *"abcdefghijk"])
    expected = (65, "scores.csv: 1 of 12 rows have no person: every row needs one", "fill the column 'patient'")
    assert refusal(table, target="label", score="score", person="patient") == expected


def test_image_that_stands_twice_is_refused(tmp_path: Path) -> None:
    table = predictions()
    table.loc[1, "image_id"] = "hospital-a/0"
    message = "predictions.csv: 'hospital-a/0' stands twice for one model and dataset"
    assert refusal(written(table, tmp_path)) == (65, message, "evaluate each dataset once")


def test_replicate_that_is_no_number_is_refused(tmp_path: Path) -> None:
    table = predictions().assign(replicate="first")
    assert refusal(written(table, tmp_path))[:2] == (65, "predictions.csv: replicate 'first' is not a number")


def test_wrong_names_are_refused_with_what_was_meant(tmp_path: Path) -> None:
    table = written(predictions(), tmp_path)
    assert refusal(table, label="Edemma") == (
        65,
        "predictions.csv: there is no label 'Edemma'",
        "did you mean 'Edema'?",
    )
    assert refusal(table, label="Hernia")[2] == "one of: Edema, COVID-19"
    assert refusal(table, person="personid") == (
        65,
        "predictions.csv: there is no column 'personid'",
        "did you mean 'person_id'?",
    )
    assert refusal(plain(tmp_path)) == (
        65,
        "scores.csv is no table of predictions: it has no columns 'target.LABEL' and 'logit.LABEL'",
        "name two of its columns by --target and --score: label, score, patient, view",
    )


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    table = plain(tmp_path)
    assert refusal(table, target="label") == (
        UsageError.exit_code,
        "--score is missing: --target and --score name two columns",
        "--score COLUMN",
    )
    assert refusal(table, score="score")[1].startswith("--target is missing")
    message = "--label names a label of predictions, --target and --score name columns"
    assert refusal(table, target="label", score="score", label="Edema")[1] == message


def test_column_of_too_many_values_is_refused(tmp_path: Path) -> None:
    count = MOST_GROUPS + 2
    table = predictions(images=count).assign(age=[str(number) for number in range(2 * count)])
    scores: ScoreTable = read_scores(written(table, tmp_path), **NONE, columns=["age", "view"])
    check_groups(scores, "view")
    check_groups(scores, None)
    with pytest.raises(DataError, match="column 'age' has 104 values, and --by takes at most 50"):
        check_groups(scores, "age")
