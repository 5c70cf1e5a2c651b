"""Reliability diagrams: one panel for each measurement, the same bytes each time, nothing cut."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures import calibration
from cxrshort.figures.calibration import ReliabilityPanel, draw_calibration
from cxrshort.stats.reliability import class_probabilities, reliability_points


def panel(title: str = "Edema", seed: int = 0) -> ReliabilityPanel:
    rng = np.random.default_rng(seed)
    probabilities = rng.random(200)
    truth = rng.random(200) < probabilities
    points = reliability_points(truth, probabilities, bins=5)
    return ReliabilityPanel(title, points, class_probabilities(truth, probabilities), "slope 1.0 [0.8, 1.2]")


def test_panels_stand_three_in_a_row_and_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    panels = [panel(f"label {number}", number) for number in range(4)]
    first = draw_calibration(panels, tmp_path / "a.png")
    assert first.read_bytes() == draw_calibration(panels, tmp_path / "b.png").read_bytes()
    three = draw_calibration(panels[:3], tmp_path / "c.png")
    single = draw_calibration(panels[:1], tmp_path / "d.png")
    with Image.open(first) as four, Image.open(three) as row, Image.open(single) as only:
        assert (four.width, four.height) == (row.width, 2 * row.height)
        assert only.width < row.width and only.height == row.height


def test_points_and_counts_of_the_statistics_are_what_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    axes = []
    add = calibration.add_axes
    monkeypatch.setattr(calibration, "add_axes", lambda *where, **size: axes.append(add(*where, **size)) or axes[-1])
    one = panel()
    draw_calibration([one], tmp_path / "a.png")
    diagram, below = axes
    drawn = diagram.lines[-1].get_xydata()
    assert drawn.tolist() == [[point.predicted, point.observed.value] for point in one.points]
    heights = [bar.get_height() for bar in below.patches]
    negatives, positives = one.classes
    expected = [-count / negatives.images for count in negatives.counts]
    expected += [count / positives.images for count in positives.counts]
    assert heights == pytest.approx(expected)
    low, high = below.get_ylim()
    assert low < min(heights) and high > max(heights)


def test_more_panels_than_a_poster_holds_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "MOST_PANELS", 3)
    three = draw_calibration([panel()] * 3, tmp_path / "a.png")
    assert draw_calibration([panel()] * 7, tmp_path / "b.png").read_bytes() == three.read_bytes()


def test_no_panel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no reliability diagram to draw: no test set has both classes"):
        draw_calibration([], tmp_path / "a.png")
