"""Transformed images: pictures where they belong, one scale for all differences, boxes by kind, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cxrshort.errors import DataError
from cxrshort.figures import transformations
from cxrshort.figures.transformations import (
    EDGE,
    ELSEWHERE,
    EXPECTED,
    Transformation,
    difference_scale,
    draw_change_sheet,
    draw_transformations,
)

RNG = np.random.default_rng(0)
BEFORE = RNG.integers(0, 200, (30, 30), dtype=np.uint8)


def example(amount: int = 20, name: str = "phantom-I/000001", **options: object) -> Transformation:
    after = BEFORE.copy()
    after[5:15, 5:15] += np.uint8(amount)
    return Transformation(name, "COVID-19 == 1", BEFORE, after, ["−1.20 → +0.31"], **options)  # type: ignore[arg-type]


BOXED = example(boxes=[(ELSEWHERE, (5, 5, 15, 15)), (EDGE, (0, 0, 30, 2)), (EXPECTED, (12, 12, 20, 28))])


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    kept: list[Figure] = []
    monkeypatch.setattr(transformations, "save_figure", lambda figure, path: kept.append(figure) or path)
    return kept


def shown(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def test_original_transformed_and_difference_stand_in_a_row(drawn: list[Figure]) -> None:
    draw_transformations([BOXED, example(40)], Path("x.png"), title="Two images")
    pictures = shown(drawn[0])
    assert np.allclose(pictures[0], BEFORE / 255) and np.allclose(pictures[1], BOXED.after / 255)
    assert np.allclose(pictures[2], BOXED.difference) and len(pictures) == 2 * 3 + 1
    assert [axes.get_title() for axes in drawn[0].axes] == [""] * 7


def test_differences_of_a_figure_share_one_scale_about_zero(drawn: list[Figure]) -> None:
    examples = [example(10), example(40)]
    draw_transformations(examples, Path("x.png"))
    limits = {
        axes.images[0].get_clim() for axes in drawn[0].axes if axes.images and axes.images[0].get_array().min() < 0.01
        and axes.images[0].get_clim()[0] < 0 and axes.images[0].get_array().shape == (30, 30)
    }  # fmt: skip
    scale = difference_scale(examples)
    assert limits == {(-scale, scale)} and scale == pytest.approx(40 / 255)


def test_scale_of_images_that_hardly_change_is_not_stretched() -> None:
    assert difference_scale([example(0)]) == pytest.approx(4 / 255)


def test_boxes_are_on_both_pictures_in_the_colour_of_their_kind(drawn: list[Figure]) -> None:
    draw_transformations([BOXED], Path("x.png"))
    patches = [axes.patches for axes in drawn[0].axes[:3]]
    assert [len(part) for part in patches] == [3, 3, 0]
    red, dashed, blue = patches[0]
    assert red.get_edgecolor() == dashed.get_edgecolor() != blue.get_edgecolor()
    assert red.get_linestyle() == "-" != dashed.get_linestyle()
    assert (red.get_x() + 0.24 + 0.5, red.get_width() - 0.48) == pytest.approx((5, 10))


@pytest.mark.parametrize("draw", [draw_transformations, draw_change_sheet])
def test_png_is_written_and_the_same_each_time(draw: Callable[..., Path], tmp_path: Path) -> None:
    examples = [example(10 + number, f"{'long' * 12}/{number}") for number in range(5)]
    first = draw(examples, tmp_path / "a.png", title="A title").read_bytes()
    assert first == draw(examples, tmp_path / "b.png", title="A title").read_bytes() and first[1:4] == b"PNG"


def test_sheet_shows_every_image_with_its_name_and_first_line(drawn: list[Figure]) -> None:
    draw_change_sheet([example(name=f"film {number}") for number in range(4)], Path("x.png"))
    assert len(shown(drawn[0])) == 4 * 3 + 1
    texts = [text.get_text() for text in drawn[0].texts]
    assert sum(text.startswith("film 3, to COVID-19 == 1") and "−1.20" in text for text in texts) == 1


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "0 images of no size cannot be drawn in one figure: 1 to 8 of one size are needed"),
        ([example()] * 9, "9 images of 30 x 30 cannot be drawn"),
        ([Transformation("a", "x", BEFORE, BEFORE[:20])], "1 image of 30 x 20 and 30 x 30 cannot be drawn"),
    ],
)
def test_no_image_too_many_and_different_sizes_are_refused(examples: list, message: str) -> None:
    with pytest.raises(DataError) as caught:
        draw_transformations(examples, Path("x.png"))
    assert caught.value.message.startswith(message)
