"""Events over time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures.timelines import MOST_LINES, Timeline, draw_timelines

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_more_lines_make_a_taller_figure_of_the_same_bytes(tmp_path: Path) -> None:
    lines = [Timeline(f"fold {number}", [(START + timedelta(days=number), "evaluate")]) for number in range(3)]
    marks = [(START, "plan.yaml"), (START + timedelta(days=2), "$plan_2$.yaml")]
    first = draw_timelines(lines, tmp_path / "a.png", marks=marks)
    again = draw_timelines(lines, tmp_path / "b.png", marks=marks)
    assert first.read_bytes() == again.read_bytes()
    with Image.open(first) as three, Image.open(draw_timelines(lines[:1], tmp_path / "c.png")) as one:
        assert three.height > one.height and three.width == one.width
        assert len(np.unique(np.asarray(three.convert("L")))) > 10
    many = [Timeline("fold", lines[0].events)] * (MOST_LINES + 5)
    with Image.open(draw_timelines(many, tmp_path / "d.png")) as most:
        assert most.height < 60 * MOST_LINES


def test_one_event_and_none(tmp_path: Path) -> None:
    assert draw_timelines([Timeline("I", [(START, "explain")])], tmp_path / "one.png").exists()
    with pytest.raises(DataError, match="no event to draw"):
        draw_timelines([Timeline("I", [])], tmp_path / "none.png")
