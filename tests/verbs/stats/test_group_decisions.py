"""Decisions at one threshold: stated, chosen on validation images, or none where scores are no probabilities."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.operating_points import youden_threshold
from cxrshort.verbs.stats.group_decisions import DecisionOptions, read_decisions
from cxrshort.verbs.stats.source import open_source

from .groups import grouped_predictions
from .scored import plain, written

PLAIN = {"target": "label", "score": "score", "person": "patient"}


def test_logits_of_predictions_are_compared_with_the_logit_of_the_threshold(tmp_path: Path) -> None:
    table = grouped_predictions()
    decisions = read_decisions(open_source(written(table, tmp_path)), DecisionOptions(threshold=0.3))
    assert [part.facts["label"] for part in decisions.parts] == ["Edema", "Mass"]
    part = decisions.parts[0]
    np.testing.assert_array_equal(part.rows.called, table["logit.Edema"] >= np.log(0.3 / 0.7))
    np.testing.assert_array_equal(part.rows.logits, table["logit.Edema"])
    assert part.probability == 0.3
    assert decisions.notes == []


def test_probabilities_are_compared_with_the_threshold(tmp_path: Path) -> None:
    decisions = read_decisions(open_source(plain(tmp_path)), DecisionOptions(**PLAIN))
    (part,) = decisions.parts
    np.testing.assert_array_equal(part.rows.called, part.rows.scores >= 0.5)
    np.testing.assert_allclose(1 / (1 + np.exp(-part.rows.logits)), part.rows.scores)
    assert decisions.notes == ["one threshold for all: a probability of 0.5; --threshold states another, --val chooses"]


def test_threshold_is_chosen_on_validation_images(tmp_path: Path) -> None:
    test, validation = grouped_predictions(), grouped_predictions(seed=1)
    validation["split"] = "val"
    for name in ("image_id", "person_id"):
        validation[name] = "v" + validation[name]
    path = written(validation, tmp_path, "val.csv")
    decisions = read_decisions(open_source(written(test, tmp_path)), DecisionOptions(validation=str(path)))
    for part in decisions.parts:
        label = part.facts["label"]
        at = youden_threshold(validation[f"target.{label}"], validation[f"logit.{label}"])
        assert part.probability == pytest.approx(1 / (1 + np.exp(-at)))
        np.testing.assert_array_equal(part.rows.called, test[f"logit.{label}"] >= at)


def test_other_scores_are_ranked_and_nothing_is_called(tmp_path: Path) -> None:
    decisions = read_decisions(open_source(plain(tmp_path, score=range(12))), DecisionOptions(**PLAIN))
    assert (decisions.parts[0].rows.called, decisions.parts[0].rows.logits) == (None, None)
    assert decisions.notes[-1].endswith("; rates at a threshold and calibration are not measured")
    logits = read_decisions(open_source(plain(tmp_path, score=range(12))), DecisionOptions(**PLAIN, logits=True))
    assert logits.parts[0].rows.called.all()


def test_threshold_on_scores_that_are_no_probabilities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read_decisions(open_source(plain(tmp_path, score=range(12))), DecisionOptions(**PLAIN, threshold=0.5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.0}, 'threshold "0" is not between 0 and 1'),
        ({"threshold": 0.5, "validation": "v.csv"}, "--val chooses the threshold that --threshold states"),
    ],
)
def test_wrong_thresholds_are_refused(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_decisions(open_source(plain(tmp_path)), DecisionOptions(**PLAIN, **options))
    assert caught.value.message == message


def test_infinite_logits_are_decided_and_finite(tmp_path: Path) -> None:
    table = grouped_predictions()
    table.loc[0, "logit.Edema"] = np.inf
    part = read_decisions(open_source(written(table, tmp_path)), DecisionOptions(label="Edema")).parts[0]
    assert part.rows.called[0] and part.rows.logits[0] == 50.0
