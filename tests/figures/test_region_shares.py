"""The summary of shares: what is drawn where, and what is refused."""

import pytest

from cxrshort.errors import DataError
from cxrshort.figures import region_shares
from cxrshort.figures.region_shares import SharePoint, draw_region_shares

POINTS = [
    SharePoint("COVID-19", "lungs", 0.3, 0.25, 0.35, 0.3, 1.0),
    SharePoint("COVID-19", "corner_top_left", 0.2, None, None, 0.015, 13.3),
    SharePoint("no COVID-19", "lungs", 0.4, 0.3, 0.5, 0.31, 1.29),
    SharePoint("no COVID-19", "marker", None, None, None, None, None),
]


def drawn(points, path, monkeypatch):
    """Return the figure that would be written."""
    kept = []
    monkeypatch.setattr(region_shares, "save_figure", lambda figure, path: kept.append(figure) or path)
    draw_region_shares(points, path)
    return kept[0]


def test_shares_areas_and_ratios_stand_in_the_row_of_their_region(tmp_path, monkeypatch):
    figure = drawn(POINTS, tmp_path / "a.png", monkeypatch)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["lungs", "corner top left"]
    dots = sorted(
        (float(line.get_xdata()[0]), round(float(line.get_ydata()[0]), 2))
        for line in axes.lines
        if line.get_marker() == "o"
    )
    assert dots == [(20.0, 0.8), (30.0, -0.2), (40.0, 0.2)]
    assert [float(line.get_xdata()[1]) for line in axes.lines if line.get_marker() != "o"] == [35.0, 50.0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([30, 31, 1.5])
    assert {"1.00", "1.29", "13"} <= {text.get_text() for text in figure.texts}


def test_picture_is_the_same_bytes(tmp_path):
    first, second = (
        draw_region_shares(POINTS, tmp_path / name, title="phantom-I, densenet121").read_bytes()
        for name in ("a.png", "b.png")
    )
    assert first == second and first.startswith(b"\x89PNG")


@pytest.mark.parametrize("points", [POINTS[3:], [SharePoint(str(i), "lungs", 0.1, 0, 1, 1, 1) for i in range(5)]])
def test_nothing_or_too_much_is_refused(points, tmp_path):
    with pytest.raises(DataError, match="there must be 1 to 4"):
        draw_region_shares(points, tmp_path / "a.png")
