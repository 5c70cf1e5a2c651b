"""Scores of methods on datasets from rows, columns and predictions."""

from pathlib import Path

import pandas as pd
import pytest

from cxrshort.errors import CxrshortError, UsageError
from cxrshort.stats.auc import auc
from cxrshort.verbs.stats.method_scores import read_long, read_predictions, read_wide
from cxrshort.verbs.stats.source import open_source

from .scored import plain, two_trainings, written

ROWS = pd.DataFrame(
    [
        (method, data, 0.1 * place + 0.01 * number)
        for place, method in enumerate("ab")
        for number, data in enumerate("xyz")
    ],
    columns=["method", "dataset", "auc"],
)
OPTIONS = {"value": "auc", "group": "method", "dataset": "dataset"}


def long(frame: pd.DataFrame, folder: Path, **options: object):
    return read_long(open_source(written(frame, folder, "scores.csv")), **(OPTIONS | options))


def test_rows_are_crossed_and_replicates_averaged(tmp_path: Path) -> None:
    ((part,), notes) = long(ROWS.sample(frac=1, random_state=3), tmp_path)
    expected = ROWS.pivot(index="dataset", columns="method", values="auc").loc[part.datasets, part.methods]
    assert (part.scores == expected.to_numpy()).all() and notes == []
    ((twice,), notes) = long(pd.concat([ROWS, ROWS.assign(auc=ROWS["auc"] + 0.2)]), tmp_path)
    assert twice.scores == pytest.approx(ROWS.pivot(index="dataset", columns="method", values="auc").to_numpy() + 0.1)
    assert notes == ["rows of one method and dataset, such as replicates, are averaged"]


def test_labels_are_apart(tmp_path: Path) -> None:
    frame = pd.concat([ROWS.assign(label="Edema"), ROWS.assign(label="Mass", auc=0.5)])
    parts, _ = long(frame, tmp_path)
    assert [part.facts for part in parts] == [{"label": "Edema"}, {"label": "Mass"}]
    ((part,), _) = long(frame, tmp_path, label="Mass")
    assert (part.scores == 0.5).all()


def test_columns_are_methods_and_rows_datasets(tmp_path: Path) -> None:
    source = open_source(
        written(pd.DataFrame({"dataset": ["x", "y"], "a": [1.0, 2], "b": [3.0, 4]}), tmp_path, "w.csv")
    )
    ((part,), _) = read_wide(source, methods=["a", "b"], dataset="dataset")
    assert (part.scores.tolist(), list(part.datasets)) == ([[1, 3], [2, 4]], ["x", "y"])
    ((part,), _) = read_wide(source, methods=["b", "a"], dataset="other")
    assert (list(part.methods), list(part.datasets)) == (["b", "a"], ["1", "2"])


def test_predictions_are_aucs_averaged_over_replicates(tmp_path: Path) -> None:
    frame = two_trainings(replicates=2)
    ((part,), notes) = read_predictions(open_source(written(frame, tmp_path)), label="Edema")
    rows = frame[(frame["training"] == part.methods[1]) & (frame["dataset"] == part.datasets[0])]
    areas = [auc(of["target.Edema"], of["logit.Edema"]) for _, of in rows.groupby("replicate")]
    assert part.scores[0, 1] == pytest.approx(sum(areas) / 2)
    assert notes == ["scores are AUCs, averaged over replicates"]


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (
            ROWS.iloc[:-1],
            {},
            "scores.csv: 1 of 6 scores are missing, such as 'b' on 'z': every method needs every dataset",
        ),
        (
            ROWS[ROWS["method"] == "a"],
            {},
            "scores.csv: 1 methods on 3 datasets: a consensus needs two of both at least",
        ),
        (ROWS, {"value": "acu"}, "scores.csv: there is no column 'acu'"),
        (ROWS.assign(label="x"), {"label": "y"}, "scores.csv: there is no label 'y'"),
    ],
)
def test_tables_with_gaps_are_refused(tmp_path: Path, frame: pd.DataFrame, options: dict, message: str) -> None:
    with pytest.raises(CxrshortError) as caught:
        long(frame, tmp_path, **options)
    assert (caught.value.exit_code, caught.value.message) == (65, message)


def test_plain_tables_without_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CxrshortError, match=r"scores\.csv is no table of predictions"):
        read_predictions(open_source(plain(tmp_path)), label=None)
    twice = pd.DataFrame({"dataset": ["x", "x"], "a": [1.0, 2], "b": [3.0, 4]})
    with pytest.raises(CxrshortError, match="'x' stands twice"):
        read_wide(open_source(written(twice, tmp_path, "w.csv")), methods=["a", "b"], dataset="dataset")
    infinite = twice.assign(dataset=["x", "y"], a=[1.0, float("inf")])
    with pytest.raises(CxrshortError, match="1 scores are infinite"):
        read_wide(open_source(written(infinite, tmp_path, "w.csv")), methods=["a", "b"], dataset="dataset")


def test_a_method_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("dataset,erm\nI,0.8\nII,0.7\n")
    with pytest.raises(UsageError, match="^--method names 'erm' twice$"):
        read_wide(open_source(path), methods=["erm", "erm"], dataset="dataset")
