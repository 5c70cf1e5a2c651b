"""The figure of student and teacher, epoch by epoch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures.agreement import AgreementPoint, draw_agreement


def history(epochs: int, *, chosen: int = 2) -> list[AgreementPoint]:
    """Return epochs in which the student comes closer to its teacher."""
    return [
        AgreementPoint(epoch, 1.5 / epoch, 0.5 + 0.3 * epoch / epochs, 0.85, 1 - 1 / epoch, chosen=epoch == chosen)
        for epoch in range(1, epochs + 1)
    ]


def draw(points: list[AgreementPoint], path: Path) -> bytes:
    return draw_agreement(points, path, measure="AUC of COVID-19", loss="loss of tea").read_bytes()


def test_each_part_of_an_epoch_is_drawn(tmp_path: Path) -> None:
    points = history(8)
    first = draw(points, tmp_path / "1.png")
    assert first == draw(points, tmp_path / "2.png")
    changes = ({"loss": 0.2}, {"student": 0.2}, {"teacher": 0.2}, {"correlation": 0.2}, {"chosen": True})
    for number, change in enumerate(changes):
        changed = [*points[:4], replace(points[4], **change), *points[5:]]
        assert draw(changed, tmp_path / f"changed-{number}.png") != first
    with Image.open(tmp_path / "1.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


@pytest.mark.parametrize(
    "points",
    [
        history(1, chosen=1),
        [replace(point, student=None, teacher=None) for point in history(3)],
        [replace(point, teacher=None, correlation=-0.9) for point in history(2)],
        [replace(point, loss=0.0) for point in history(2)],  # a student that starts as its teacher
        [replace(point, loss=float("inf")) for point in history(2)],
    ],
    ids=["one epoch", "no scores", "no teacher's score", "no loss", "endless loss"],
)
def test_unusual_histories_are_drawn(tmp_path: Path, points: list[AgreementPoint]) -> None:
    assert draw(points, tmp_path / "a.png")


def test_no_epoch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no epoch to draw"):
        draw([], tmp_path / "a.png")
