"""Confusion matrices of tables: of scores, of decisions, and of files that hold one."""

from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from cxrshort.errors import DataError, UsageError
from cxrshort.verbs.stats.decisions import read_decisions, read_matrix, read_scored_decisions

from .scored import plain, predictions, written


def scored(path: Path, **options: object):  # type: ignore[no-untyped-def]
    defaults = {"target": None, "score": None, "logits": False, "threshold": 0.5, "person": None, "label": "Edema"}
    return read_scored_decisions(path, **({**defaults, "by": None} | options))  # type: ignore[arg-type]


def test_logits_are_positive_from_the_threshold_on(tmp_path: Path) -> None:
    table = predictions()
    counted = scored(written(table, tmp_path), threshold=0.7)
    for case, (_, part) in zip(counted.cases, table.groupby("dataset"), strict=True):
        expected = confusion_matrix(part["target.Edema"], part["logit.Edema"] >= 0.8472978603872034)
        assert case.counts.tolist() == expected.tolist()
        assert (case.persons, case.images, case.classes) == (30, 60, ("0", "1"))


def test_a_score_equal_to_the_threshold_is_positive(tmp_path: Path) -> None:
    options = {"target": "label", "score": "score", "label": None, "person": "patient"}
    (case,) = scored(plain(tmp_path), threshold=0.4, **options).cases
    assert case.counts.tolist() == [[4, 2], [1, 5]]


def test_soft_targets_are_left_out_and_counted(tmp_path: Path) -> None:
    table = predictions()
    table.loc[:2, "target.Edema"] = 0.5
    counted = scored(written(table, tmp_path))
    assert counted.cases[0].images == 57
    assert counted.notes == ["soft targets, between 0 and 1, are left out: 3"]


@pytest.mark.parametrize("threshold", [0.0, 1.0, 7])
def test_threshold_of_scores_is_a_probability(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(UsageError, match="is not between 0 and 1"):
        scored(written(predictions(), tmp_path), threshold=threshold)


def decided(folder: Path, **columns: object) -> Path:
    rows = {"truth": ["a", "a", "b", "c", "b", ""], "call": ["a", "b", "b", "c", "", "a"], "who": list("xxyyzz")}
    return written(pd.DataFrame(rows | columns), folder, "calls.csv")


def test_decisions_are_counted_by_class_and_rows_without_are_noted(tmp_path: Path) -> None:
    counted = read_decisions(decided(tmp_path), target="truth", decision="call", person="who", by=None)
    (case,) = counted.cases
    assert case.classes == ("a", "b", "c")
    assert case.counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert case.persons == 2
    assert counted.notes == ["rows without a class are left out: 2 of 6"]


def test_numbers_are_sorted_by_size_and_read_the_same_with_and_without_a_point(tmp_path: Path) -> None:
    table = decided(tmp_path, truth=["10", "2", "2.0", "10.0", "2", "2"], call=["2", "2", "2", "10", "10", "2"])
    (case,) = read_decisions(table, target="truth", decision="call", person=None, by=None).cases
    assert case.classes == ("2", "10")
    assert case.counts.tolist() == [[3, 1], [1, 1]]


def test_groups_share_their_classes(tmp_path: Path) -> None:
    table = decided(tmp_path, truth=list("aabbab"), call=list("abbaab"))
    cases = read_decisions(table, target="truth", decision="call", person=None, by="who").cases
    assert [case.facts["group"] for case in cases] == ["x", "y", "z"]
    assert [case.counts.tolist() for case in cases] == [[[1, 1], [0, 0]], [[0, 0], [1, 1]], [[1, 0], [0, 1]]]


def test_columns_of_numbers_are_no_decisions(tmp_path: Path) -> None:
    table = written(pd.DataFrame({"t": range(60), "d": range(60)}), tmp_path, "t.csv")
    with pytest.raises(DataError, match="columns 't' and 'd' hold 60 classes, and at most 50 are counted"):
        read_decisions(table, target="t", decision="d", person=None, by=None)


def test_decisions_need_a_target_and_two_classes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--target is missing"):
        read_decisions(decided(tmp_path), target=None, decision="call", person=None, by=None)
    with pytest.raises(DataError, match=r"calls.csv: targets of one class alone \('a'\)"):
        read_decisions(decided(tmp_path, truth=["a"] * 6), target="truth", decision="call", person=None, by=None)
    with pytest.raises(DataError, match="no row has both a target and a decision"):
        read_decisions(decided(tmp_path, truth=[""] * 6), target="truth", decision="call", person=None, by=None)


def matrix(folder: Path, text: str) -> Path:
    (folder / "m.csv").write_text(text)
    return folder / "m.csv"


def test_matrix_is_read_in_the_order_of_its_columns(tmp_path: Path) -> None:
    (case,) = read_matrix(matrix(tmp_path, "true,b,a\na,3,4\nb,1,0\n")).cases
    assert (case.classes, case.counts.tolist(), case.persons) == (("b", "a"), [[1, 0], [3, 4]], None)
    assert case.sizes == [1, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("true,a,b\na,1,2\nc,3,4\n", "m.csv: the rows are of 'a', 'c' and the columns of 'a', 'b'"),
        ("true,a,b\na,1,2\nb,3,4\nb,1,1\n", "m.csv: the rows are of 'a', 'b', 'b' and the columns of 'a', 'b'"),
        ("true,a,b\na,1,2\nb,3,-4\n", "m.csv: numbers that are no counts"),
        ("true,a,b\na,1,\nb,3,4\n", "m.csv: numbers that are no counts"),
        ("true,a,b\na,0.9,0.1\nb,0.2,0.8\n", "m.csv: numbers that are no counts"),
        ("true,a,b\na,1,2\nb,0,0\n", "m.csv: targets of one class alone ('a')"),
        ("true,a,b\na,0,0\nb,0,0\n", "m.csv: targets of one class alone (none)"),
        ("true,a\na,1\n", "m.csv: a confusion matrix has a column of true classes and two or more of decisions"),
        ("true,a,b\na,x,2\nb,3,4\n", "m.csv: column 'a' holds 'x', not a number"),
    ],
)
def test_what_is_no_matrix_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_matrix(matrix(tmp_path, text))
    assert caught.value.message.startswith(message)


def test_true_and_decided_classes_in_one_column_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text("truth\na\nb\n")
    with pytest.raises(UsageError, match="^--target and --decision both name 'truth'$"):
        read_decisions(path, target="truth", decision="truth", person=None, by=None)
