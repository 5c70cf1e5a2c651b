"""Learning curves of many trainings."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures.learning_curves import MOST_PANELS, LearningCurve, draw_learning_curves


def curve(heading: str, epochs: int = 4, *, scores: list | None = None) -> LearningCurve:
    numbers = list(range(1, epochs + 1))
    values = [0.5 + 0.1 * number for number in numbers] if scores is None else scores
    return LearningCurve(heading, numbers, [1 / number for number in numbers], values, epochs, "AUC of Edema", 0.25)


def test_panel_for_each_training_and_a_line_for_each_run(tmp_path: Path) -> None:
    curves = [curve("a"), curve("a", 3), curve("b")]
    first = draw_learning_curves(curves, tmp_path / "1.png")
    assert first.read_bytes() == draw_learning_curves(curves, tmp_path / "2.png").read_bytes()
    assert first.read_bytes() != draw_learning_curves([curves[0], curves[2]], tmp_path / "3.png").read_bytes()
    with Image.open(first) as two, Image.open(draw_learning_curves(curves[:1], tmp_path / "4.png")) as one:
        assert two.width > one.width and two.height == one.height
        assert len(np.unique(np.asarray(two.convert("L")))) > 10
    many = [curve(f"training {number}") for number in range(MOST_PANELS + 3)]
    most = draw_learning_curves(many, tmp_path / "5.png")
    assert most.read_bytes() == draw_learning_curves(many[:MOST_PANELS], tmp_path / "6.png").read_bytes()


def test_missing_scores_and_single_epochs_are_drawn(tmp_path: Path) -> None:
    draw_learning_curves([curve("a", 1), curve("b", 2, scores=[None, 0.7])], tmp_path / "a.png")
    draw_learning_curves([curve("a", 2, scores=[None, None])], tmp_path / "b.png")


def test_no_epoch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no epoch to draw"):
        draw_learning_curves([curve("a", 0)], tmp_path / "a.png")
