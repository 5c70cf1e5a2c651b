"""Images that intervals and differences need: the curves, the same bytes each time."""

from pathlib import Path

import pytest

from cxrshort.errors import DataError
from cxrshort.figures import power
from cxrshort.figures.power import PowerCurve, draw_power

CURVES = [
    PowerCurve("AUC 0.8", [0.01, 0.1], [9000, 90], [20000, 0]),
    PowerCurve("AUC 0.9", [0.01, 0.1], [4000, 40], [9000, 90]),
]


def test_goals_without_images_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    add = power.add_axes
    monkeypatch.setattr(power, "add_axes", lambda *where, **size: drawn.append(add(*where, **size)) or drawn[-1])
    draw_power(CURVES, tmp_path / "a.png", title="prevalence 0.1")
    width, difference = drawn
    assert [line.get_ydata().tolist() for line in width.lines] == [[9000, 90], [4000, 40]]
    assert [line.get_xdata().tolist() for line in difference.lines] == [[0.01], [0.01, 0.1]]


def test_same_curves_are_the_same_bytes(tmp_path: Path) -> None:
    first = draw_power(CURVES, tmp_path / "a.png", title="prevalence 0.1")
    assert first.read_bytes() == draw_power(CURVES, tmp_path / "b.png", title="prevalence 0.1").read_bytes()


def test_no_curve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no AUC to draw"):
        draw_power([], tmp_path / "a.png", title="")
