"""Figures: PNG of the expected size, the right pixels where they can be told, the same bytes twice."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures import plots
from cxrshort.figures.plots import (
    EpochPoint,
    GapPoint,
    RocCurve,
    average_images,
    contact_sheet,
    gap_plot,
    roc_panels,
    training_curve,
)
from cxrshort.figures.style import DATASET_COLOURS, colours_of, wrap
from cxrshort.stats.auc import auc_interval, roc_curve

LONG = "chestx-ray14+github-covid, upright films of $adults$ without any support device"


def curve(trained_on, tested_on, replicate, shift=1.0):
    rng = np.random.default_rng(replicate)
    targets = np.repeat([0.0, 1.0], 30)
    scores = shift * targets + rng.normal(size=60)
    area = auc_interval(targets, scores)
    role = "internal" if trained_on == tested_on else "external"
    return RocCurve(trained_on, tested_on, role, replicate, *roc_curve(targets, scores), area.auc, area.low, area.high)


def size_and_mode(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.size, image.mode


def has_colour(path, colour):
    expected = tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))
    with Image.open(path) as image:
        return bool((np.asarray(image.convert("RGB")) == expected).all(axis=2).any())


def draw_everything(folder: Path) -> list[Path]:
    folder.mkdir()
    gradient = np.linspace(0, 1, 32 * 32).reshape(32, 32)
    pixels = (255 * np.stack([gradient, gradient.T])).astype(np.uint8)
    return [
        roc_panels([curve(a, b, r) for a in ("I", "II") for b in ("I", "II") for r in (0, 1)], folder / "roc.png"),
        gap_plot(
            [GapPoint("m", "I", "internal", 0.9, 0.8, 0.95), GapPoint("m", LONG, "external", 0.4, None, None)],
            folder / "g.png",
        ),
        average_images({"I": gradient, LONG: gradient.T}, folder / "average.png", counts={"I": 10, LONG: 2000}),
        contact_sheet(pixels, ["one", "two\nlines"], folder / "sheet.png"),
        training_curve([EpochPoint(1, 0.5, 0.6, 0.7), EpochPoint(2, 0.4, 0.5, 0.8, True)], folder / "training.png"),
    ]


def test_figures_are_the_same_bytes_twice(tmp_path):
    first, second = draw_everything(tmp_path / "a"), draw_everything(tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert all(b"Software" not in path.read_bytes() for path in first)


@pytest.mark.parametrize(("trained", "width"), [(["I"], 577), (["I", "II"], 1095), (["I", "II", "III", LONG], 1612)])
def test_roc_panels_have_one_panel_per_training_dataset(tmp_path, trained, width):
    path = roc_panels([curve(name, "I", 0) for name in trained], tmp_path / "roc.png")
    (across, _), mode = size_and_mode(path)
    assert (across, mode) == (width, "RGBA")


@pytest.mark.parametrize("replicates", [1, 5])
def test_roc_panels_use_the_papers_colours(tmp_path, replicates):
    curves = [curve("I", tested, r) for tested in ("I", "II", "III", "x", LONG) for r in range(replicates)]
    path = roc_panels(curves, tmp_path / "roc.png")
    assert all(has_colour(path, DATASET_COLOURS[name]) for name in ("I", "II", "III"))
    assert not has_colour(path, DATASET_COLOURS["external"])


def test_roc_legend_puts_the_internal_dataset_first_and_gives_mean_and_deviation():
    curves = [
        RocCurve("II/erm", "I", "external", r, np.array([0, 1]), np.array([0, 1]), a) for r, a in enumerate((0.7, 0.8))
    ]
    curves += [
        RocCurve("II/erm", "II", "internal", r, np.array([0, 1]), np.array([0, 1]), a)
        for r, a in enumerate((0.994, 0.998))
    ]
    key = plots._legend_of(curves, {"I": "red", "II": "teal"})
    assert key == [
        ("II (internal): AUC 0.996 ± 0.003, n = 2", "teal"),
        ("I (external): AUC 0.75 ± 0.07, n = 2", "red"),
    ]


@pytest.mark.parametrize(
    ("area", "low", "high", "text"),
    [
        (0.8, 0.7, 0.85, "0.80 [0.70, 0.85]"),
        (0.999, 0.997, 0.9996, "0.9990 [0.9970, 0.9996]"),
        (1.0, 0.9951, 1.0, "1.0000 [0.9951, 1.0000]"),
        (0.5, None, None, "0.50 (no interval)"),
    ],
)
def test_interval_text_never_rounds_to_a_certainty(area, low, high, text):
    assert plots._interval_text(area, low, high) == text


def test_contact_sheet_keeps_every_pixel(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 50, 100), dtype=np.uint8)
    path = contact_sheet(pixels, ["a", "b", "c"], tmp_path / "sheet.png", columns=2)
    with Image.open(path) as image:
        sheet = np.asarray(image.convert("RGB"))
    assert sheet.shape == (10 + 2 * (100 + 33), 10 + 2 * 210, 3)
    assert (sheet[10:110:2, 220:420:2, 0] == pixels[1]).all()  # twice enlarged, second column
    assert (sheet[-5:, -5:] == 0).all()


def test_contact_sheet_shows_real_radiographs(tmp_path, test_data):
    files = sorted((test_data / "nih" / "images").glob("*.png"))[:4]
    pixels = np.stack([np.asarray(Image.open(file).convert("L")) for file in files])
    path = contact_sheet(pixels, [file.name for file in files], tmp_path / "sheet.png", columns=4)
    with Image.open(path) as image:
        assert (np.asarray(image.convert("L"))[10:266, 10:266] == pixels[0]).all()


def test_average_images_share_one_grey_scale(tmp_path):
    dark, bright = np.full((8, 8), 0.2), np.full((8, 8), 0.6)
    path = average_images({"a": dark, "b": bright}, tmp_path / "average.png", counts={"a": 1, "b": 1})
    with Image.open(path) as image:
        shown = np.asarray(image.convert("L"))
    assert (shown[100, 100], shown[100, 450]) == (0, 255)


def test_axis_of_the_gap_plot_names_the_label(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: drawn.append(figure) or path)
    points = [GapPoint("m", "I", "internal", 0.9, 0.8, 1.0), GapPoint("m", "II", "external", 0.6, 0.5, 0.7)]
    gap_plot(points, tmp_path / "gap.png", label="COVID-19")
    assert drawn[0].axes[0].get_xlabel() == "AUC of COVID-19"


def test_gap_plot_has_room_for_every_digit_of_an_auc_near_zero(tmp_path):
    path = gap_plot([GapPoint("m", "external", "external", 0.0000093, 0.0000011, 0.0000213)], tmp_path / "gap.png")
    with Image.open(path) as image:
        shown = np.asarray(image.convert("L"))
    assert (shown[:, -15:] == 255).all()
    assert (shown[:, 1000:-15] < 128).any()


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_training_curve_has_a_fixed_size(tmp_path, epochs):
    path = training_curve([EpochPoint(epoch, 1 / epoch) for epoch in range(1, epochs + 1)], tmp_path / "t.png")
    assert size_and_mode(path)[0] == (810, 645)


@pytest.mark.parametrize("scores", [(0.5, 0.75), (0.99, 1.0), (-0.2, 0.1)])
def test_axis_of_training_scores_ends_at_one_and_names_the_measure(tmp_path, monkeypatch, scores):
    drawn = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: drawn.append(figure) or path)
    points = [EpochPoint(epoch, 0.5, 0.6, score, epoch == 2) for epoch, score in enumerate(scores, 1)]
    training_curve(points, tmp_path / "training.png", measure="Dice")
    _, score = drawn[0].axes
    low, high = score.get_ylim()
    assert high == 1 and low < min(scores)
    assert score.get_ylabel() == "validation Dice"
    assert f"chosen: epoch 2, validation Dice {scores[1]:.3f}" in [text.get_text() for text in drawn[0].texts]


def test_colours_of_gives_phantoms_the_papers_colours_and_never_one_twice():
    names = ["phantom-I", "I", "phantom-external", *"abcdefg"]
    colours = colours_of(names)
    assert (colours["phantom-I"], colours["phantom-external"]) == ("#b43335", "#d98b1f")
    assert len(set(colours.values())) == len(names)


def test_wrap_breaks_and_shortens():
    assert wrap("chestx-ray14 and github-covid", 14, lines=2) == "chestx-ray14\nand github-…"
    assert wrap("a\nb", 10) == "a\nb"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda path: roc_panels([], path), "no ROC curve to draw: no test fold has both classes"),
        (lambda path: gap_plot([], path), "no AUC to draw: no test fold has both classes"),
        (lambda path: training_curve([], path), "no epoch to draw: the log has no finished epoch"),
        (lambda path: average_images({}, path, counts={}), "no average image to draw: the dataset is empty"),
        (
            lambda path: average_images({"I": np.full((2, 2), 3)}, path, counts={"I": 1}),
            'average image "I" of shape (2, 2) must be (H, W) or (3, H, W) in [0, 1]',
        ),
        (
            lambda path: contact_sheet(np.zeros((1, 2, 2)), ["a"], path),
            "images of shape (1, 2, 2) and type float64 with 1 captions: "
            "a contact sheet needs (N, H, W) or (N, 3, H, W) uint8 and as many captions",
        ),
    ],
)
def test_figures_refuse_what_they_cannot_draw(tmp_path, draw, message):
    with pytest.raises(DataError) as caught:
        draw(tmp_path / "figure.png")
    assert caught.value.message == message
