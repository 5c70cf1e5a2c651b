"""Decision curves: what is drawn, the same bytes each time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures import decision_curves
from cxrshort.figures.decision_curves import DecisionPanel, draw_decision_curves
from cxrshort.stats.decision_curves import decision_curve


def panel(title: str = "Edema") -> DecisionPanel:
    rng = np.random.default_rng(0)
    probabilities = rng.random(300)
    truth = rng.random(300) < probabilities
    points = decision_curve(truth, probabilities, thresholds=[0.1, 0.3, 0.5, 0.7])
    return DecisionPanel(title, points, "prevalence 0.5")


def test_same_panels_are_the_same_bytes_and_stand_three_in_a_row(tmp_path: Path) -> None:
    first = draw_decision_curves([panel()] * 4, tmp_path / "a.png")
    assert first.read_bytes() == draw_decision_curves([panel()] * 4, tmp_path / "b.png").read_bytes()
    with Image.open(first) as four, Image.open(draw_decision_curves([panel()], tmp_path / "c.png")) as single:
        assert four.width > 2 * single.width and four.height > 1.5 * single.height


def test_curves_are_those_of_the_points_and_none_is_cut_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    add = decision_curves.add_axes
    monkeypatch.setattr(
        decision_curves, "add_axes", lambda *where, **size: drawn.append(add(*where, **size)) or drawn[-1]
    )
    edema = panel()
    draw_decision_curves([edema], tmp_path / "a.png")
    none, everyone, model = drawn[0].lines
    assert list(none.get_ydata()) == [0, 0]
    assert list(everyone.get_ydata()) == [point.treat_all.value for point in edema.points]
    assert list(model.get_ydata()) == [point.net_benefit.value for point in edema.points]
    assert drawn[0].get_ylim()[1] > max(*model.get_ydata(), *everyone.get_ydata())
    assert drawn[0].get_xlim()[1] >= 0.7


def test_no_panel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no decision curve to draw"):
        draw_decision_curves([], tmp_path / "a.png")
