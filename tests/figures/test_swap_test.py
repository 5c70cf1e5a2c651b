"""The charts of a swap-test: where changes are drawn, that nothing is cut or covered, and what is refused."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.figures import swap_test
from cxrshort.figures.swap_test import NullPanel, PopulationBox, draw_null, draw_population

RNG = np.random.default_rng(0)
PANELS = [
    NullPanel(
        "phantom-I/000000, marker, negative" if number else "W" * 60,
        RNG.normal(0, 0.1 + 0.1 * number, 200),
        change,
        0.005,
        direction,
    )
    for number, (change, direction) in enumerate(
        [(2.5, "increase"), (-2.0, "decrease"), (0.5, "either"), (0.0, "either"), (3.0, "increase"), (1, "increase")]
    )
] * 2
BOXES = [
    PopulationBox("marker", "shortcut", [1.0, 2.0, 4.0], [0.1, 0.0, -0.1]),
    PopulationBox("corner_top_left", "no evidence", [-0.5, 0.25], [0.0, 0.1]),
    PopulationBox("clavicles and the soft tissue above them " * 2, "not testable", [], []),
]


def drawn(monkeypatch, draw, *args, **options):
    """Return the figure that would be written."""
    kept = []
    monkeypatch.setattr(swap_test, "save_figure", lambda figure, path: kept.append(figure) or path)
    draw(*args, **options)
    return kept[0]


def assert_all_text_is_readable(figure):
    """Check that no text lies outside the figure or on another text."""
    figure.canvas.draw()
    texts = [text for holder in (figure, *figure.axes) for text in holder.texts if text.get_text()]
    texts += [label for axes in figure.axes for label in (axes.xaxis.label, axes.yaxis.label) if label.get_text()]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    extents = [text.get_window_extent() for text in texts]
    across, down = figure.get_size_inches() * figure.dpi
    for text, extent in zip(texts, extents, strict=True):
        assert extent.x0 >= 0 and extent.y0 >= 0 and extent.x1 <= across and extent.y1 <= down, text.get_text()
    for number, extent in enumerate(extents):
        for other in range(number):
            assert not extent.overlaps(extents[other]), (texts[number].get_text(), texts[other].get_text())


@pytest.mark.parametrize("count", range(1, 9))
def test_panels_have_equal_axes_and_readable_text(count, tmp_path, monkeypatch):
    figure = drawn(monkeypatch, draw_null, PANELS[:count], tmp_path / "a.png", title="swap-test of a model " * 4)
    assert len(figure.axes) == count
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    assert_all_text_is_readable(figure)


def test_a_histogram_holds_every_random_change_in_percent_and_the_line_the_observed_one(tmp_path, monkeypatch):
    panel = NullPanel("film", [-3.0, 0.0, 0.0, 0.01], 2.0, 0.4, "increase")
    figure = drawn(monkeypatch, draw_null, [panel], tmp_path / "a.png")
    (axes,) = figure.axes
    (stairs,) = axes.patches
    values, edges, _ = stairs.get_data()
    assert sorted(values[values > 0]) == [25, 75]
    assert edges[0] < -3 and edges[-1] > 2
    marks = [line for line in axes.lines if line.get_color() == swap_test.OBSERVED]
    assert [
        line.get_xdata().tolist() if hasattr(line.get_xdata(), "tolist") else line.get_xdata() for line in marks
    ] == [[2.0, 2.0]]
    assert max(marks[0].get_ydata()) > 75
    assert [text.get_text() for text in axes.texts] == ["+2.00, p = 0.4"]


def test_the_other_direction_is_dotted_where_it_counts(tmp_path, monkeypatch):
    panel = NullPanel("film", [-3.0, 0.0], 2.0, 1.0, "either")
    figure = drawn(monkeypatch, draw_null, [panel], tmp_path / "a.png")
    dotted = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert dotted == [-2.0]


def test_changes_that_are_all_0_are_drawn(tmp_path, monkeypatch):
    figure = drawn(monkeypatch, draw_null, [NullPanel("sham", np.zeros(9), 0.0, 1.0, "either")], tmp_path / "a.png")
    assert [text.get_text() for text in figure.axes[0].texts] == ["0, p = 1"]


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ([], "0 panels cannot be drawn in one figure: there must be 1 to 8"),
        (PANELS[:9], "9 panels cannot be drawn"),
        ([NullPanel("film", [], 1.0, 1.0, "increase")], '"film" has no random change'),
        ([NullPanel("film", [np.nan, np.inf, 1], 1.0, 1.0, "increase")], '"film" has 2 changes that are not finite'),
        ([NullPanel("film", [1.0], np.nan, 1.0, "increase")], '"observed changes" has 1 changes that are not finite'),
    ],
)
def test_panels_that_cannot_be_drawn_are_refused(panels, message, tmp_path):
    with pytest.raises(DataError, match=message):
        draw_null(panels, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_every_change_is_a_point_in_the_row_of_its_region(tmp_path, monkeypatch):
    figure = drawn(monkeypatch, draw_population, BOXES, tmp_path / "a.png", margin=0.75)
    (axes,) = figure.axes
    points = [line for line in axes.lines if line.get_marker() == "o"]
    drawn_points = [
        (line.get_color(), line.get_xdata().tolist(), np.round(line.get_ydata()).tolist()) for line in points
    ]
    assert drawn_points == [
        (swap_test.OBSERVED, [1.0, 2.0, 4.0], [0, 0, 0]),
        (swap_test.RANDOM, [0.1, 0.0, -0.1], [0, 0, 0]),
        (swap_test.OBSERVED, [-0.5, 0.25], [1, 1]),
        (swap_test.RANDOM, [0.0, 0.1], [1, 1]),
    ]
    dotted = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"]
    assert dotted == [0.75]
    low, high = axes.get_xlim()
    assert low < -0.5 and high > 4


def test_names_verdicts_and_medians_are_written(tmp_path, monkeypatch):
    figure = drawn(monkeypatch, draw_population, BOXES, tmp_path / "a.png", title="a title", margin=0.75)
    written = {text.get_text(): text.get_color() for text in figure.texts}
    assert {"a title", "corner top left", "+2.00 (3)", "−0.12 (2)"} <= set(written)
    assert written["shortcut"] == swap_test.VERDICT_COLOURS["shortcut"] == swap_test.OBSERVED
    assert written["not testable"] == swap_test.VERDICT_COLOURS["not testable"]
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "margin of the verdict, 0.75"


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_regions_have_readable_text(count, tmp_path, monkeypatch):
    regions = (BOXES * 4)[:count]
    figure = drawn(monkeypatch, draw_population, regions, tmp_path / "a.png", title="of a model " * 12, margin=5)
    assert_all_text_is_readable(figure)
    assert figure.axes[0].get_xlim()[1] > 5


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ([], "0 regions cannot be drawn in one figure: there must be 1 to 12"),
        (BOXES * 5, "15 regions cannot be drawn"),
        ([PopulationBox("heart", "shortcut", [1.0], [])], '"heart" has 1 changes and 0 mean random changes'),
        ([PopulationBox("heart", "shortcut", [np.inf], [1.0])], '"heart" has 1 changes that are not finite'),
    ],
)
def test_regions_that_cannot_be_drawn_are_refused(regions, message, tmp_path):
    with pytest.raises(DataError, match=message):
        draw_population(regions, tmp_path / "a.png")


def test_pictures_are_the_same_bytes(tmp_path):
    for draw, parts in ((draw_null, PANELS[:3]), (draw_population, BOXES)):
        first, second = (draw(parts, tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
        assert first == second and first.startswith(b"\x89PNG")
