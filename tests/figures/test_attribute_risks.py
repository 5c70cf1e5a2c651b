"""The map of risks: the same bytes each time, and the largest risks named."""

from pathlib import Path

import pytest

from cxrshort.errors import DataError
from cxrshort.figures import attribute_risks
from cxrshort.figures.attribute_risks import NUMBERED, RiskPoint, draw_risks


def points(count: int) -> list[RiskPoint]:
    values = [(number + 1) / (count + 1) for number in range(count)]
    return [
        RiskPoint(f"attribute {number}", "shortcut", (x, x - 0.1, x + 0.1), (x, x - 0.1, 1.0), (x * x, 0.0, 1.0))
        for number, x in enumerate(values)
    ]


def test_the_largest_risks_are_named_and_the_others_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    write = attribute_risks.place_text

    def noted(figure: object, text: str, **where: object) -> object:
        texts.append(text)
        return write(figure, text, **where)  # type: ignore[arg-type]

    monkeypatch.setattr(attribute_risks, "place_text", noted)
    draw_risks(points(NUMBERED + 3), tmp_path / "a.png", margin=0.01)
    assert [text for text in texts if text.startswith("attribute")] == [
        f"attribute {number}" for number in range(NUMBERED + 2, 2, -1)
    ]
    assert texts[-1] == "3 smaller risks in grey"


def test_same_points_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (draw_risks(points(4), tmp_path / name, margin=0.01, label="Edema") for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()


def test_no_point_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="^no attribute to draw: none has a risk$"):
        draw_risks([], tmp_path / "a.png", margin=0.01)
