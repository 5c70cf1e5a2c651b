"""Scores as probabilities: what they are taken for, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from cxrshort.errors import DataError
from cxrshort.verbs.stats.probabilities import ScoreScale, scale_notes, score_scale
from cxrshort.verbs.stats.scores import ScoreTable, read_scores

from .scored import plain, predictions, written


def read(path: Path, **columns: str | None) -> ScoreTable:
    return read_scores(path, **({"target": "label", "score": "score", "person": None, "label": None} | columns))  # type: ignore[arg-type]


def test_predictions_are_logits(tmp_path: Path) -> None:
    table = read(written(predictions(), tmp_path), target=None, score=None)
    scale = score_scale(table, None, logits=False)
    scores = table.parts[0].scores
    assert scale.is_logit
    np.testing.assert_array_equal(scale.probabilities(scores), expit(scores))
    assert scale.logits(scores) is scores


def test_logits_of_predictions_stay_logits_when_their_column_is_named(tmp_path: Path) -> None:
    table = read(written(predictions(), tmp_path), target="target.Edema", score="logit.Edema")
    assert score_scale(table, "logit.Edema", logits=False).is_logit


def test_probabilities_stay_as_they_are(tmp_path: Path) -> None:
    table = read(plain(tmp_path))
    scale = score_scale(table, "score", logits=False)
    assert not scale.is_logit
    assert scale.probabilities(table.parts[0].scores) is table.parts[0].scores


@pytest.mark.parametrize(("value", "shown"), [(1.5, "1.5"), (-0.25, "-0.25")])
def test_numbers_outside_0_and_1_are_no_probabilities(tmp_path: Path, value: float, shown: str) -> None:
    table = read(plain(tmp_path, score=[0.5] * 11 + [value]))
    with pytest.raises(DataError) as caught:
        score_scale(table, "score", logits=False)
    assert caught.value.message == (
        f"scores.csv: column 'score' holds 1 values outside [0, 1], such as '{shown}': they are no probabilities"
    )
    assert caught.value.hint == "--logits says that they are logits"
    assert score_scale(table, "score", logits=True).is_logit


def test_probabilities_of_0_and_1_have_finite_logits_and_others_exact_ones() -> None:
    probabilities = np.array([0.0, 0.25, 1.0])
    logits = ScoreScale(is_logit=False).logits(probabilities)
    assert np.isfinite(logits).all()
    assert logits[1] == pytest.approx(np.log(1 / 3), rel=1e-15)


@pytest.mark.parametrize("is_logit", [True, False])
def test_threshold_goes_there_and_back(is_logit: bool) -> None:
    scale = ScoreScale(is_logit)
    assert scale.probability(scale.score(0.3)) == pytest.approx(0.3, rel=1e-15)
    assert scale.score(0.5) == (0.0 if is_logit else 0.5)


def test_logits_that_look_like_probabilities_are_noted(tmp_path: Path) -> None:
    table = read(plain(tmp_path))
    (note,) = scale_notes(table, "score", logits=True)
    assert note == "all values of 'score' are in [0, 1], like probabilities; as --logits says, they are taken as logits"
    assert scale_notes(table, "score", logits=False) == []
    assert scale_notes(read(plain(tmp_path, score=np.arange(12))), "score", logits=True) == []
