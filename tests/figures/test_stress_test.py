"""Matrices and probabilities: what is written into the cells, the same bytes each time."""

from pathlib import Path

import pytest
from matplotlib.patches import Rectangle

from cxrshort.errors import DataError
from cxrshort.figures import stress_test
from cxrshort.figures.stress_test import MatrixCell, ProbabilityCell, draw_changes, draw_probabilities

CELLS = [
    MatrixCell("Edema", "Edema", 52.4, on_target=True),
    MatrixCell("Edema", "Mass", -3.2, verdict="no evidence"),
    MatrixCell("sham", "Edema", 0.2),
    MatrixCell("sham", "Mass", None),
]
ACCUSED = [
    MatrixCell("Edema", "Edema", 20.0, verdict="shortcut"),
    MatrixCell("Edema", "Mass", 9.0, verdict="suspicious"),
]
PROBABILITIES = [ProbabilityCell("Edema", "Edema", 0.1, 0.8, 0.97), ProbabilityCell("Edema", "Mass", None, None)]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    axes: list = []
    add = stress_test.add_axes
    monkeypatch.setattr(stress_test, "add_axes", lambda *where, **size: axes.append(add(*where, **size)) or axes[-1])
    return axes


def test_cells_hold_whole_points_and_an_output_that_never_varies_is_hatched(tmp_path: Path, drawn: list) -> None:
    draw_changes({"erm": CELLS}, tmp_path / "a.png")
    assert [text.get_text() for text in drawn[0].texts] == ["+52", "−3", "0"]
    assert [label.get_text() for label in drawn[0].get_yticklabels()] == ["Edema", "sham"]
    assert [bool(patch.get_hatch()) for patch in drawn[0].patches if isinstance(patch, Rectangle)].count(True) == 1


def test_accused_cells_are_framed(tmp_path: Path, drawn: list) -> None:
    draw_changes({"erm": ACCUSED}, tmp_path / "a.png")
    assert [patch.get_linestyle() for patch in drawn[0].patches if not patch.get_fill()] == ["-", "--"]


def test_models_share_one_scale(tmp_path: Path, drawn: list) -> None:
    draw_changes({"a": CELLS, "b": ACCUSED}, tmp_path / "a.png")
    assert len(drawn) == 3 and drawn[2].get_ylim() == (-52.4, 52.4)
    assert {label.get_text() for label in drawn[1].get_yticklabels()} == {""}


def test_probabilities_stand_beside_what_readers_saw(tmp_path: Path, drawn: list) -> None:
    draw_probabilities({"erm": PROBABILITIES}, tmp_path / "a.png", title="probabilities")
    heights = [tuple(float(y) for y in line.get_ydata()) for line in drawn[0].lines]
    assert heights == [(0.97, 0.97), (0.1, 0.8), (0.1,), (0.8,)]
    assert [text.get_text() for text in drawn[0].texts] == ["n/a"]


def test_same_cells_are_the_same_bytes(tmp_path: Path) -> None:
    pictures = [draw_changes({"a": CELLS, "b": CELLS}, tmp_path / name, title="t").read_bytes() for name in ("a", "b")]
    pictures += [draw_probabilities({"a": PROBABILITIES}, tmp_path / name).read_bytes() for name in ("c", "d")]
    assert pictures[0] == pictures[1] and pictures[2] == pictures[3]


@pytest.mark.parametrize("draw", [draw_changes, draw_probabilities])
def test_no_cell_and_too_many_models_are_refused(tmp_path: Path, draw) -> None:
    with pytest.raises(DataError, match="no cell to draw"):
        draw({"erm": []}, tmp_path / "a.png")
    cells = CELLS if draw is draw_changes else PROBABILITIES
    with pytest.raises(DataError, match="7 models are more than the 6 that a matrix shows"):
        draw({str(number): cells for number in range(7)}, tmp_path / "a.png")
