"""Numbers with intervals: what is drawn, and that nothing is cut."""

import itertools
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures import intervals
from cxrshort.figures.intervals import Estimate, draw_intervals

ROWS = [
    Estimate("PA", "Edema", 0.82, 0.71, 0.91),
    Estimate("AP", "Edema", 0.64, None, None),
    Estimate("PA", "Hernia", 0.5, 0.2, 0.8),
]


def test_figure_grows_with_its_rows_and_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = draw_intervals(ROWS, tmp_path / "a.png", measure="AUC", reference=0.5)
    again = draw_intervals(ROWS, tmp_path / "b.png", measure="AUC", reference=0.5)
    assert first.read_bytes() == again.read_bytes()
    fewer = draw_intervals(ROWS[:2], tmp_path / "c.png", measure="AUC", reference=0.5)
    with Image.open(fewer) as small, Image.open(first) as large:
        assert small.height < large.height and small.width == large.width


def test_rows_of_a_heading_stand_together_and_a_missing_interval_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    write = intervals.place_text

    def noted(figure: object, text: str, **where: float) -> object:
        texts.append(text)
        return write(figure, text, **where)  # type: ignore[arg-type]

    monkeypatch.setattr(intervals, "place_text", noted)
    draw_intervals([ROWS[0], ROWS[2], ROWS[1]], tmp_path / "a.png", measure="AUC")
    assert texts == [
        *("Edema", "PA", "0.820 [0.710, 0.910]", "AP", "0.640 (no interval)"),
        *("Hernia", "PA", "0.500 [0.200, 0.800]"),
    ]


def test_numbers_below_a_narrow_axis_do_not_touch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[tuple[float, float]] = []

    def measured(figure: Figure, path: Path) -> Path:
        figure.canvas.draw()
        labels = [label.get_window_extent() for label in figure.axes[0].get_xticklabels() if label.get_text()]
        left, right = figure.axes[0].bbox.x0, figure.axes[0].bbox.x1
        spans.extend((box.x0, box.x1) for box in labels if left - 1 <= (box.x0 + box.x1) / 2 <= right + 1)
        return path

    monkeypatch.setattr(intervals, "save_figure", measured)
    draw_intervals([Estimate("all", "", 0.018, 0.008, 0.028)], tmp_path / "a.png", measure="AUC", reference=0.01)
    assert len(spans) >= 3
    assert all(end + 10 < start for (_, end), (start, _) in itertools.pairwise(spans))  # a digit has 9 pixels


def test_axis_holds_every_limit_and_the_reference() -> None:
    low, high = intervals._bounds(ROWS, 0.05)
    assert low < 0.05 and high > 0.91


def test_reference_line_begins_below_the_first_heading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(intervals, "save_figure", lambda figure, path: drawn.append(figure) or path)
    for heading, start in (("Edema", intervals._HEADING), ("", 0.0)):
        draw_intervals([Estimate("PA", heading, 0.6, 0.5, 0.7)], tmp_path / "a.png", measure="AUC", reference=0.5)
        line = drawn[-1].axes[0].lines[-1]
        assert line.get_xdata().tolist() == [0.5, 0.5] and line.get_ydata()[0] == start


def test_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no number to draw: the table has none"):
        draw_intervals([], tmp_path / "a.png", measure="AUC")
