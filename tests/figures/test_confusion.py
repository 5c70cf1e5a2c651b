"""Confusion matrices: what is written into the cells, the same bytes each time."""

from pathlib import Path

import pytest

from cxrshort.errors import DataError
from cxrshort.figures import confusion
from cxrshort.figures.confusion import MatrixPanel, draw_matrices

PANEL = MatrixPanel("Edema", ("0", "1"), [[90, 10], [0, 0]])


def test_cells_hold_counts_and_shares_of_the_true_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    add = confusion.add_axes
    monkeypatch.setattr(confusion, "add_axes", lambda *where, **size: drawn.append(add(*where, **size)) or drawn[-1])
    draw_matrices([PANEL], tmp_path / "a.png")
    assert [text.get_text() for text in drawn[0].texts] == ["90\n90 %", "10\n10 %", "0\n0 %", "0\n0 %"]
    assert [label.get_text() for label in drawn[0].get_yticklabels()] == ["0", "1"]


def test_same_matrices_are_the_same_bytes(tmp_path: Path) -> None:
    panels = [PANEL, MatrixPanel("three classes", ("a", "b", "c"), [[5, 1, 0], [0, 9, 1], [2, 0, 7]])]
    first = draw_matrices(panels, tmp_path / "a.png")
    assert first.read_bytes() == draw_matrices(panels, tmp_path / "b.png").read_bytes()


def test_no_matrix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no confusion matrix to draw"):
        draw_matrices([], tmp_path / "a.png")
