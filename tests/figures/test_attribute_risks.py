"""The map of risks: the same bytes each time, and the largest risks named."""

from pathlib import Path

import pytest
from matplotlib.axes import Axes

from cxrshort.errors import DataError
from cxrshort.figures import attribute_risks
from cxrshort.figures.attribute_risks import NUMBERED, RiskPoint, draw_risks, group_overlapping, list_numbers


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


def risk_point(x: float, y: float, verdict: str = "shortcut") -> RiskPoint:
    return RiskPoint("attribute", verdict, (x, x - 0.05, 1.0), (y, y - 0.05, 1.0), (x * y, 0.0, 1.0))


def test_points_at_one_place_share_a_marker_that_lists_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[float, str]] = []
    write = Axes.text

    def noted(axes: Axes, x: float, y: float, text: str, **look: object) -> object:
        written.append((x, text))
        return write(axes, x, y, text, **look)

    monkeypatch.setattr(Axes, "text", noted)
    corner = [risk_point(1.0, 1.0) for _ in range(3)]
    draw_risks([*corner, risk_point(0.3, 0.4), risk_point(0.2, 0.1, "no evidence")], tmp_path / "a.png", margin=0.01)
    assert written[1:] == [(1.0, "1–3"), (0.3, "4"), (0.2, "5")]


def test_points_at_one_place_of_two_verdicts_have_markers_side_by_side() -> None:
    points = [risk_point(0.5, 0.5), risk_point(0.5, 0.5, "no evidence"), risk_point(0.5, 0.501)]
    assert group_overlapping(points) == [[0, 1, 2]]
    first, second = attribute_risks._labels(points, [0, 1, 2])
    assert first[:2] == ("1, 3", "shortcut")
    assert second[:2] == ("2", "no evidence")


def test_wide_markers_swallow_those_beneath_them() -> None:
    row = [risk_point(0.02, 1.0) for _ in range(6)] + [risk_point(0.06, 1.0) for _ in range(3)]
    assert group_overlapping(row) == [list(range(9))]


@pytest.mark.parametrize(
    ("numbers", "text"), [([1], "1"), ([1, 2], "1, 2"), ([1, 2, 3], "1–3"), ([2, 4, 5, 6, 12], "2, 4–6, 12")]
)
def test_three_numbers_in_a_row_are_a_range(numbers: list[int], text: str) -> None:
    assert list_numbers(numbers) == text
