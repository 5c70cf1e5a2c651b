"""Scores of models on audited images: their names and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError
from cxrshort.verbs.stats.audited_images import open_images
from cxrshort.verbs.stats.floor_predictions import compare_models_with_floors, read_predictions


@pytest.fixture
def scores(clean_phantom: Path, tmp_path: Path) -> Path:
    table = pd.read_csv(clean_phantom / "manifest.csv")[["image_id"]].assign(score=np.arange(160) / 160)
    table[::-1].to_csv(tmp_path / "scores.csv", index=False)
    return tmp_path / "scores.csv"


def test_scores_are_joined_by_image_and_not_by_order(clean_phantom: Path, scores: Path) -> None:
    (model,) = read_predictions(scores, open_images(str(clean_phantom), None), score="score").models
    assert (model.name, model.role) == ("score", "")
    np.testing.assert_array_equal(model.scores, model.positions / 160)


def test_rows_without_a_score_are_left_out(clean_phantom: Path, scores: Path) -> None:
    rows = pd.read_csv(scores)
    rows.loc[:9, "score"] = np.nan
    rows.to_csv(scores, index=False)
    (model,) = read_predictions(scores, open_images(str(clean_phantom), None), score="score").models
    assert len(model.scores) == 150
    rows.assign(score=np.nan).to_csv(scores, index=False)
    with pytest.raises(DataError, match="^scores.csv: column 'score' holds no number$"):
        read_predictions(scores, open_images(str(clean_phantom), None), score="score")


def test_an_image_that_stands_twice_is_refused(clean_phantom: Path, scores: Path) -> None:
    rows = pd.read_csv(scores)
    pd.concat([rows, rows[:1]]).to_csv(scores, index=False)
    with pytest.raises(DataError, match="^scores.csv: 'phantom-III@3/000159' stands twice$"):
        read_predictions(scores, open_images(str(clean_phantom), None), score="score")


def test_model_is_compared_on_its_own_images(clean_phantom: Path, scores: Path) -> None:
    images = open_images(str(clean_phantom), None)
    rows = pd.read_csv(scores)[:80]
    rows.to_csv(scores, index=False)
    models = read_predictions(scores, images, score="score").models
    floors = {"thumbnail": np.full(160, 0.5), "shuffled pixels": np.arange(160) / 160}
    comparisons, (summary,) = compare_models_with_floors(models, images, floors, level=0.95)
    assert [row["images"] for row in comparisons] == [80, 80]
    assert comparisons[1]["difference"] == 0 and summary["expected"] == 0.5
    assert (summary["superior_to"], summary["floors"], summary["verdict"]) == (0, 2, "suspicious")
