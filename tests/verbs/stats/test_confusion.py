"""``stats confusion``: the posterior of the library, for every way in which a matrix comes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.confusion import confusion_scores
from cxrshort.verbs.stats.confusion import confusion

from .scored import plain, predictions, written

COUNTS = [[90, 6, 4], [10, 70, 20], [2, 8, 190]]
CLASSES = ("COVID-19", "Pneumonia", "Normal")


def matrix_file(folder: Path) -> Path:
    table = pd.DataFrame(COUNTS, columns=list(CLASSES))
    table.insert(0, "true", CLASSES)
    return written(table, folder, "m.csv")


def decisions_file(folder: Path) -> Path:
    rows = [
        (CLASSES[row], CLASSES[column])
        for (row, column), count in np.ndenumerate(np.array(COUNTS))
        for _ in range(int(count))
    ]
    return written(pd.DataFrame(rows, columns=["truth", "call"]), folder, "calls.csv")


def scores_of(result: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["class"], row["score"]): row for row in result.summary["scores"]}


def test_numbers_are_those_of_the_posterior(tmp_path: Path) -> None:
    scores = scores_of(confusion(matrix_file(tmp_path), matrix=True, decision_prior=2.0, level=0.9, seed=3))
    posterior = confusion_scores(COUNTS, rng=np.random.default_rng(3), labels=CLASSES, decision_prior=2.0, level=0.9)
    f1, macro = posterior.classes[1].f1, posterior.macro_f1
    for row, credible in ((scores["Pneumonia", "F1"], f1), (scores["", "macro F1"], macro)):
        shown = [row[name] for name in ("estimate", "mean", "mean_low", "mean_high", "deviation")]
        assert shown == [credible.estimate, credible.mean, credible.low, credible.high, credible.deviation]
    assert len(scores) == 3 * 4 + 5


def test_estimates_are_those_of_scikit_learn(tmp_path: Path) -> None:
    path = decisions_file(tmp_path)
    table = pd.read_csv(path)
    scores = scores_of(confusion(path, target="truth", decision="call"))
    sample = table["truth"], table["call"]
    assert scores["", "balanced accuracy"]["estimate"] == pytest.approx(balanced_accuracy_score(*sample))
    assert scores["", "macro F1"]["estimate"] == pytest.approx(f1_score(*sample, average="macro"))
    for name in CLASSES:
        options = {"labels": [name], "average": "macro"}
        assert scores[name, "sensitivity"]["estimate"] == pytest.approx(recall_score(*sample, **options))
        assert scores[name, "precision"]["estimate"] == pytest.approx(precision_score(*sample, **options))


def test_matrix_and_its_images_give_the_same_posterior(tmp_path: Path) -> None:
    of_matrix = scores_of(confusion(matrix_file(tmp_path), matrix=True))
    of_images = scores_of(confusion(decisions_file(tmp_path), target="truth", decision="call"))
    for key, row in of_matrix.items():  # the classes stand in another order, so that other numbers are drawn
        assert row["mean"] == pytest.approx(of_images[key]["mean"], abs=1e-3)  # 4 to 6 Monte Carlo errors
        assert row["estimate"] == pytest.approx(of_images[key]["estimate"], abs=1e-12)


def test_scores_of_predictions_are_cut_at_a_half(tmp_path: Path) -> None:
    table = predictions()
    rows = confusion(written(table, tmp_path), label="Edema").summary["scores"]
    part = table[table["dataset"] == "hospital-b"]
    (row,) = (row for row in rows if (row["dataset"], row["class"], row["score"]) == ("hospital-b", "1", "F1"))
    assert row["estimate"] == pytest.approx(f1_score(part["target.Edema"], part["logit.Edema"] >= 0))


def test_repeated_persons_and_thin_classes_are_noted(tmp_path: Path) -> None:
    result = confusion(plain(tmp_path, label=[0] * 8 + [1] * 4), target="label", score="score", person="patient")
    assert result.notes[0].startswith("persons have several images (up to 4 more images than persons)")
    assert result.notes[1] == "classes of fewer than 5 images, where the prior weighs as much as the images: 1"
    assert confusion(matrix_file(tmp_path), matrix=True).notes == ["every image counts as of a person of its own"]


def test_score_of_nothing_is_null_with_a_reason_and_has_a_posterior(tmp_path: Path) -> None:
    table = plain(tmp_path, score=[0.1] * 12)
    result = confusion(table, target="label", score="score", person="patient")
    row = scores_of(result)["1", "precision"]
    assert (row["estimate"], row["reason"]) == (None, "0/0 in the matrix itself")
    assert 0 < row["mean_low"] < row["mean_high"] < 1
    json.dumps(result.document, allow_nan=False)


def test_prior_stands_in_the_title(tmp_path: Path) -> None:
    table = confusion(matrix_file(tmp_path), matrix=True, class_prior=0.5).tables[0]
    assert table.title == (  # type: ignore[union-attr]
        "95 % credible intervals, Dirichlet priors of 0.5 (class sizes) and 1 (decisions)"
    )


def test_of_two_classes_people_see_those_of_1(tmp_path: Path) -> None:
    result = confusion(plain(tmp_path), target="label", score="score", person="patient")
    names = [row["name"] for row in result.tables[0].rows]  # type: ignore[union-attr]
    assert names == [
        *("score, sensitivity", "score, specificity", "score, precision", "score, F1"),
        *("score, balanced accuracy", "score, macro precision", "score, macro F1", "score, accuracy"),
    ]
    assert len(result.summary["scores"]) == 13


def test_groups_are_measured_apart(tmp_path: Path) -> None:
    path = plain(tmp_path, call=[0, 1] * 6)
    result = confusion(path, target="label", decision="call", by="view")
    assert {row["group"] for row in result.summary["scores"]} == {"AP", "PA"}
    matrices = pd.DataFrame(result.summary["matrices"])
    assert matrices.groupby("group")["images"].sum().to_dict() == {"AP": 6, "PA": 6}


def test_group_without_exact_targets_is_noted(tmp_path: Path) -> None:
    table = predictions()
    table.loc[table["view"] == "AP", "target.Edema"] = 0.5
    result = confusion(written(table, tmp_path), label="Edema", by="view")
    assert {(row["label"], row["group"]) for row in result.summary["scores"]} == {("Edema", "PA")}
    assert (
        "no target is 0 or 1, so that there is no matrix: Edema, hospital-a, AP; Edema, hospital-b, AP" in result.notes
    )
    with pytest.raises(DataError, match="targets of one class alone"):
        confusion(written(table.assign(**{"target.Edema": 0.5}), tmp_path), label="Edema")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matrix": True, "target": "label"}, "--matrix and --target exclude each other"),
        ({"matrix": True, "decision": "call"}, "--matrix and --decision exclude each other"),
        ({"decision": "call", "target": "label", "score": "score"}, "--decision and --score exclude each other"),
        ({"target": "label", "score": "score", "class_prior": 0.0}, 'class prior "0" must be at least 0.1'),
        ({"target": "label", "score": "score", "level": 2}, 'level "2" is not between 0 and 1'),
    ],
)
def test_wrong_usage_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        confusion(plain(tmp_path), **options)
    assert caught.value.message == message


def test_folder_holds_tables_and_figures(tmp_path: Path) -> None:
    result = confusion(written(predictions(), tmp_path), out=tmp_path / "out", figures=True)
    assert [path.name for path in result.figures] == ["confusion.png", "matrices.png"]
    assert len(pd.read_csv(tmp_path / "out" / "confusion.csv")) == 4 * 13
    assert len(pd.read_csv(tmp_path / "out" / "matrices.csv")) == 4 * 4


def test_each_score_stands_beside_the_images_that_it_is_a_share_of(tmp_path: Path) -> None:
    path = tmp_path / "matrix.csv"
    path.write_text("true,0,1\n0,60,20\n1,3,7\n")
    rows = confusion(path, matrix=True).summary["scores"]
    images = {row["score"]: row["images"] for row in rows if row["class"] == "1"}
    assert images == {"sensitivity": 10, "specificity": 80, "precision": 27, "F1": 10}
