"""The figure of the checks: which curve is drawn where, and what is said above it."""

import pandas as pd
import pytest

from cxrshort.attribution.checks import CURVE_COLUMNS
from cxrshort.errors import DataError
from cxrshort.figures import sanity
from cxrshort.figures.sanity import draw_sanity

CURVES = pd.DataFrame(
    [
        *(("randomisation", "SSIM", step, 2, "", value) for step, value in enumerate((1.0, 0.6, 0.2))),
        *(("randomisation", "Spearman", step, 2, "", value) for step, value in enumerate((1.0, 0.5, -0.1))),
        *(("randomisation", "SSIM of different images", step, 2, "", 0.3) for step in range(3)),
        *(("randomisation", "Spearman of different images", step, 2, "", 0.2) for step in range(3)),
        *(("deletion", "in the order of the map", step, 2, "", value) for step, value in enumerate((3.0, 1.0, 0.5))),
        *(("deletion", "in random order", step, 2, "", value) for step, value in enumerate((3.0, 2.0, 0.5))),
        *(("insertion", "in the order of the map", step, 2, "", value) for step, value in enumerate((0.5, 2.5, 3.0))),
        *(("insertion", "in random order", step, 2, "", value) for step, value in enumerate((0.5, 2.0, 3.0))),
    ],
    columns=list(CURVE_COLUMNS),
)
VERDICTS = {"randomisation": "passes", "background": "not judged", "faithfulness": "fails"}


def drawn(curves, path, monkeypatch):
    """Return the figure that would be written."""
    kept = []
    monkeypatch.setattr(sanity, "save_figure", lambda figure, path: kept.append(figure) or path)
    draw_sanity(curves, VERDICTS, path)
    return kept[0]


def points(axes):
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]


def test_each_check_has_a_panel_with_its_curves_and_its_verdict(tmp_path, monkeypatch):
    figure = drawn(CURVES, tmp_path / "a.png", monkeypatch)
    layers, deletion, insertion = figure.axes
    assert points(layers)[::2] == [([0, 0.5, 1], [1.0, 0.6, 0.2]), ([0, 0.5, 1], [1.0, 0.5, -0.1])]
    assert points(layers)[1::2] == [([0, 0.5, 1], [0.3] * 3), ([0, 0.5, 1], [0.2] * 3)]
    assert points(deletion) == [([0, 50, 100], [3.0, 1.0, 0.5]), ([0, 50, 100], [3.0, 2.0, 0.5])]
    assert points(insertion)[0] == ([0, 50, 100], [0.5, 2.5, 3.0])
    assert layers.get_ylim()[0] < -0.1
    titles = {text.get_text() for text in figure.texts}
    assert titles == {"randomisation: passes", "faithfulness by deletion: fails", "faithfulness by insertion: fails"}
    assert [axes.get_xlabel() for axes in figure.axes[1:]] == ["cells hidden, %", "cells shown, %"]


def test_checks_without_curves_have_no_panel(tmp_path, monkeypatch):
    figure = drawn(CURVES[CURVES["check"] != "randomisation"], tmp_path / "a.png", monkeypatch)
    assert len(figure.axes) == 2


def test_picture_is_the_same_bytes(tmp_path):
    first, second = (
        draw_sanity(CURVES, VERDICTS, tmp_path / name, title="phantom-I, densenet121").read_bytes()
        for name in ("a.png", "b.png")
    )
    assert first == second and first.startswith(b"\x89PNG")


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(DataError, match="no curve of a check to draw"):
        draw_sanity(CURVES[:0], VERDICTS, tmp_path / "a.png")
