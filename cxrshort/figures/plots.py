"""Figures of a run: ROC panels, the gap, average images, contact sheets, training curves.

Every function writes one PNG and returns its path. The same input gives the same bytes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DPI,
    FAINT,
    INK,
    LARGE,
    NORMAL,
    SMALL,
    add_axes,
    colours_of,
    new_figure,
    place_text,
    save_figure,
    wrap,
)

LINE = 0.145  # inches from one small line of text to the next
UNKNOWN_ROLE = "unknown training data"
CHARACTER = 0.058  # inches that a small digit takes


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """One replicate's ROC curve on one test dataset.

    Args:
        training: what people call the training; one panel each.
        tested_on: test dataset.
        role: ``"internal"``, ``"external"``, or empty where it is not known what the model was trained on.
        replicate: from 0.
        fpr: false positive rates, from 0 to 1.
        tpr: true positive rates, from 0 to 1.
        auc: area under this curve.
        low: lower limit of the AUC, shown when there is one replicate.
        high: upper limit of the AUC.
    """

    training: str
    tested_on: str
    role: str
    replicate: int
    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    auc: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class GapPoint:
    """One AUC with its interval, for :func:`gap_plot`.

    Args:
        model: points of one model stand together.
        dataset: test dataset.
        role: ``"internal"``, ``"external"``, or empty where it is not known what the model was trained on.
        auc: the dot, in [0, 1].
        low: lower limit; None where there is none.
        high: upper limit; None where there is none.
    """

    model: str
    dataset: str
    role: str
    auc: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class EpochPoint:
    """What :func:`training_curve` shows of one epoch.

    Args:
        epoch: from 1.
        training_loss: mean over the epoch.
        validation_loss: None where it was not measured.
        validation_score: AUC, Dice or rank correlation, at most 1; None where it was not measured.
        chosen: whether the model of this epoch was kept.
    """

    epoch: int
    training_loss: float
    validation_loss: float | None = None
    validation_score: float | None = None
    chosen: bool = False


def roc_panels(curves: Sequence[RocCurve], path: Path, *, label: str = "") -> Path:
    """Draw one panel per training, one curve per replicate, one colour per test dataset.

    As in DeGrave et al. 2021, Fig. 1c; curves are overlaid, never averaged. The legend gives mean ± SD (ddof 1) of the
    replicates' AUCs, or the AUC with its interval for one replicate.

    Args:
        curves: of one label.
        path: the PNG.
        label: what is predicted; stands above each panel.

    Raises:
        DataError: no curve.

    Example:
        >>> import tempfile
        >>> rates = np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.8, 1.0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     roc_panels([RocCurve("I", "II", "external", 0, *rates, 0.9)], Path(folder, "roc.png")).name
        'roc.png'
    """
    if not curves:
        raise DataError("no ROC curve to draw: no test fold has both classes", "evaluate on a dataset with both")
    colours = colours_of(name for curve in curves for name in (curve.tested_on,))
    trained = list(dict.fromkeys(curve.training for curve in curves))
    side, gutter, left = 2.6, 0.85, 0.65
    columns = min(3, len(trained))
    keys = {name: _legend_of([c for c in curves if c.training == name], colours) for name in trained}
    titles = {name: wrap(f"{label}: {name}" if label else name, 36, lines=3) for name in trained}
    above = 0.2 + 0.17 * max(title.count("\n") + 1 for title in titles.values())
    below = 0.6 + LINE * max(sum(text.count("\n") + 1 for text, _ in key) for key in keys.values())
    height = above + side + below
    figure = new_figure(left + columns * (side + gutter) - gutter + 0.6, math.ceil(len(trained) / columns) * height)
    for number, name in enumerate(trained):
        x, y = left + number % columns * (side + gutter), number // columns * height
        place_text(figure, titles[name], left=x, top=y + above - 0.08, size=LARGE).set_verticalalignment("bottom")
        axes = add_axes(figure, x, y + above, width=side, height=side)
        _draw_curves(axes, [curve for curve in curves if curve.training == name], colours)
        _write_legend(figure, keys[name], left=x - 0.1, top=y + above + side + 0.48)
    return save_figure(figure, path)


def _draw_curves(axes: Axes, curves: Sequence[RocCurve], colours: Mapping[str, str]) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, zorder=1)
    for curve in curves:
        axes.plot(curve.fpr, curve.tpr, color=colours[curve.tested_on], linewidth=1.3, alpha=0.85, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
    axes.set_xlabel("false positive rate", size=NORMAL, color=INK, labelpad=2)
    axes.set_ylabel("true positive rate", size=NORMAL, color=INK, labelpad=2)


def _legend_of(curves: Sequence[RocCurve], colours: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (text, colour) per test dataset, the internal one first."""
    roles = {curve.tested_on: curve.role for curve in curves}
    key = []
    for name in sorted(roles, key=lambda name: roles[name] != "internal"):
        role = roles[name] or UNKNOWN_ROLE
        area = _area_text([curve for curve in curves if curve.tested_on == name])
        one_line = f"{name} ({role}): {area}"
        text = one_line if len(one_line) <= 52 else f"{wrap(name, 38, lines=2)} ({role}):\n{area}"
        key.append((text, colours[name]))
    return key


def _area_text(curves: Sequence[RocCurve]) -> str:
    areas = [curve.auc for curve in curves]
    if len(areas) > 1:
        deviation = float(np.std(areas, ddof=1))
        digits = _digits(4 * deviation)
        return f"AUC {np.mean(areas):.{digits}f} ± {deviation:.{digits}f}, n = {len(areas)}"
    return f"AUC {_interval_text(areas[0], curves[0].low, curves[0].high)}"


def _interval_text(area: float, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"{area:.2f} (no interval)"
    digits = _digits(high - low)
    return f"{area:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _digits(width: float) -> int:
    """Return the decimals that keep limits this far apart from reading the same, such as [1.00, 1.00]."""
    return 2 if width >= 0.02 or width <= 0 else min(6, math.ceil(-math.log10(width)) + 1)


def _write_legend(figure: Figure, key: Sequence[tuple[str, str]], *, left: float, top: float) -> None:
    across, down = figure.get_size_inches()
    for text, colour in key:
        y = 1 - (top + 0.055) / down
        figure.add_artist(Line2D([left / across, (left + 0.2) / across], [y, y], color=colour, linewidth=2.2))
        place_text(figure, text, left=left + 0.28, top=top, size=SMALL)
        top += LINE * (text.count("\n") + 1)


def gap_plot(points: Sequence[GapPoint], path: Path, *, label: str = "") -> Path:
    """Draw each model's AUCs as dots with intervals: filled where internal, open where external.

    Args:
        points: of one label.
        path: the PNG.
        label: what is predicted; stands below the axis.

    Raises:
        DataError: no point.
    """
    if not points:
        raise DataError("no AUC to draw: no test fold has both classes", "evaluate on a dataset with both")
    models = list(dict.fromkeys(point.model for point in points))
    rows = sorted(points, key=lambda point: (models.index(point.model), point.role != "internal"))
    colours = colours_of(point.dataset for point in points)
    names = [f"{wrap(row.dataset, 26, lines=2)} ({row.role or UNKNOWN_ROLE})" for row in rows]
    step, title, left, width = 0.34, 0.36, 2.6, 3.3
    height = 0.12 + title * len(models) + step * len(rows)
    areas = [_interval_text(row.auc, row.low, row.high) for row in rows]
    right = max(1.55, 0.3 + CHARACTER * max(map(len, areas)))  # an AUC near 0 or 1 has many digits
    figure = new_figure(left + width + right, height + 0.55)
    axes = add_axes(figure, left, 0.05, width=width, height=height)
    y = 0.06
    for number, (row, name, area) in enumerate(zip(rows, names, areas, strict=True)):
        if number == 0 or rows[number - 1].model != row.model:
            heading = place_text(figure, wrap(row.model, 80, lines=1), left=0.15, top=y + 0.12)
            heading.set(fontweight="bold", backgroundcolor="white")
            y += title
        middle = y + step / 2
        _draw_point(axes, row, middle - 0.05, colours[row.dataset])
        place_text(figure, name, left=0.3, top=middle, size=SMALL).set_verticalalignment("center")
        place_text(figure, area, left=left + width + 0.15, top=middle, size=SMALL).set_verticalalignment("center")
        y += step
    lowest = min(0.5, *(point.auc if point.low is None else point.low for point in points))
    axes.set(xlim=(math.floor(10 * lowest) / 10, 1), ylim=(height, 0), yticks=[])
    axes.axvline(0.5, color=FAINT, linewidth=1, zorder=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"AUC of {label}" if label else "AUC", size=NORMAL, color=INK, labelpad=2)
    return save_figure(figure, path)


def _draw_point(axes: Axes, point: GapPoint, y: float, colour: str) -> None:
    if point.low is not None and point.high is not None:
        axes.plot([point.low, point.high], [y, y], color=colour, linewidth=1.6, clip_on=False)
    fill = colour if point.role == "internal" else "white"
    axes.plot([point.auc], [y], "o", color=colour, markerfacecolor=fill, markeredgewidth=1.6, ms=6, clip_on=False)


def average_images(averages: Mapping[str, ArrayLike], path: Path, *, counts: Mapping[str, int]) -> Path:
    """Draw the pixel mean of each repository, or of each class of it, all on one grey scale.

    As DeGrave et al. 2021, Fig. 4: what all images of one source share (markers, borders, posture) becomes visible.

    Args:
        averages: caption to (H, W), or (3, H, W) in colour, mean in [0, 1]; the keys give the order.
        path: the PNG.
        counts: caption to number of images averaged.

    Raises:
        DataError: no average, or one that is not (H, W) or (3, H, W) in [0, 1].
    """
    pictures = {name: _colour_last(np.asarray(average, dtype=np.float64)) for name, average in averages.items()}
    if not pictures:
        raise DataError("no average image to draw: the dataset is empty", "build a dataset first")
    for name, picture in pictures.items():
        if not (_is_picture(picture) and picture.min() >= 0 and picture.max() <= 1):
            raise DataError(f'average image "{name}" of shape {picture.shape} must be (H, W) or (3, H, W) in [0, 1]')
    darkest = min(float(picture.min()) for picture in pictures.values())
    brightest = max(float(picture.max()) for picture in pictures.values())
    columns, side, gutter = min(4, len(pictures)), 2.0, 0.15
    captions = {name: wrap(name, 30, lines=3) + f"\nn = {counts[name]:,}" for name in pictures}
    caption = 0.12 + LINE * max(text.count("\n") + 1 for text in captions.values())
    rows = math.ceil(len(pictures) / columns)
    figure = new_figure(gutter + columns * (side + gutter), gutter + rows * (side + caption))
    for number, (name, picture) in enumerate(pictures.items()):
        x, y = gutter + number % columns * (side + gutter), gutter + number // columns * (side + caption)
        axes = add_axes(figure, x, y, width=side, height=side)
        axes.imshow(picture, cmap="gray", vmin=darkest, vmax=max(brightest, darkest + 1e-6))
        axes.set_axis_off()
        place_text(figure, captions[name], left=x, top=y + side + 0.05, size=SMALL)
    return save_figure(figure, path)


def _colour_last(picture: NDArray[Any]) -> NDArray[Any]:
    """Return (H, W) as it is, and (3, H, W) as (H, W, 3)."""
    return np.moveaxis(picture, 0, -1) if picture.ndim == 3 and len(picture) == 3 else picture


def _is_picture(picture: NDArray[Any]) -> bool:
    return picture.ndim == 2 or (picture.ndim == 3 and picture.shape[-1] == 3)


def contact_sheet(images: ArrayLike, captions: Sequence[str], path: Path, *, columns: int = 6) -> Path:
    """Lay radiographs side by side on black, each pixel shown at a whole multiple of its size, captions below.

    Args:
        images: (N, H, W) uint8, or (N, 3, H, W) in colour.
        captions: one per image; a line break starts a new line, three lines at most.
        path: the PNG.
        columns: images in a row.

    Raises:
        DataError: no image, not (N, H, W) or (N, 3, H, W) uint8, or not one caption each.
    """
    stack = np.asarray(images)
    pixels = np.stack([_colour_last(picture) for picture in stack]) if len(stack) else stack
    is_valid = len(pixels) and _is_picture(pixels[0]) and pixels.dtype == np.uint8
    if not is_valid or len(pixels) != len(captions):
        raise DataError(
            f"images of shape {stack.shape} and type {stack.dtype} with {len(captions)} captions: "
            "a contact sheet needs (N, H, W) or (N, 3, H, W) uint8 and as many captions"
        )
    zoom = max(1, math.ceil(200 / pixels.shape[2]))
    height, width = zoom * pixels.shape[1], zoom * pixels.shape[2]
    columns = max(1, min(columns, len(pixels)))
    texts = [wrap(caption, int(width / 8.6), lines=3) for caption in captions]
    caption_height = 12 + 21 * max(text.count("\n") + 1 for text in texts)
    rows, gutter = math.ceil(len(pixels) / columns), 10
    size = gutter + rows * (height + caption_height), gutter + columns * (width + gutter)
    sheet = np.zeros((*size, 3), dtype=np.uint8)
    figure = new_figure(sheet.shape[1] / DPI, sheet.shape[0] / DPI, colour="black")
    for number, text in enumerate(texts):
        x, y = gutter + number % columns * (width + gutter), gutter + number // columns * (height + caption_height)
        colours = pixels[number] if pixels.ndim == 4 else pixels[number][:, :, None]
        sheet[y : y + height, x : x + width] = colours.repeat(zoom, axis=0).repeat(zoom, axis=1)
        place_text(figure, text, left=x / DPI, top=(y + height + 6) / DPI, size=SMALL, colour="#dddddd")
    figure.figimage(sheet)
    return save_figure(figure, path)


def training_curve(history: Sequence[EpochPoint], path: Path, *, measure: str = "AUC") -> Path:
    """Draw the loss above and the validation score below, epoch by epoch, the chosen epoch marked.

    Args:
        history: one point for each epoch.
        path: the PNG.
        measure: what the score is, such as ``"AUC of COVID-19"`` or ``"Dice"``; its axis ends at 1.

    Raises:
        DataError: no epoch.
    """
    if not history:
        raise DataError("no epoch to draw: the log has no finished epoch", "train for at least one epoch")
    figure = new_figure(5.4, 4.3)
    loss = add_axes(figure, 0.7, 0.35, width=4.4, height=1.6)
    area = add_axes(figure, 0.7, 2.2, width=4.4, height=1.6)
    _draw_series(loss, history, "training_loss", "#8a8a8a", "training")
    _draw_series(loss, history, "validation_loss", "#b43335", "validation")
    _draw_series(area, history, "validation_score", "#1e579a", "")
    loss.set_ylabel("loss", size=NORMAL, color=INK)
    area.set_ylabel(f"validation {wrap(measure, 18, lines=2)}", size=NORMAL, color=INK)
    _limit_to_one(area, [point.validation_score for point in history])
    area.set_xlabel("epoch", size=NORMAL, color=INK, labelpad=2)
    first, last = history[0].epoch, history[-1].epoch
    for axes in (loss, area):
        axes.set_xlim(first - 0.5, last + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    loss.set_xticklabels([])
    # Between the axes, where no curve runs.
    loss.legend(
        loc="upper right",
        bbox_to_anchor=(1, -0.045),
        frameon=False,
        fontsize=SMALL,
        ncols=2,
        borderaxespad=0,
        borderpad=0,
    )
    if all(point.validation_score is None for point in history):
        area.set(ylim=(0, 1), yticks=[])
        area.text(0.5, 0.5, "not measured", transform=area.transAxes, ha="center", size=NORMAL, color=INK)
    for point in history:
        if point.chosen:
            _mark_chosen(figure, loss, area, point, measure=measure)
    return save_figure(figure, path)


def _limit_to_one(axes: Axes, scores: Sequence[float | None]) -> None:
    """End the axis of scores at 1, with a margin below the lowest score."""
    measured = [score for score in scores if score is not None]
    lowest = min([0.95, *measured])
    axes.set_ylim(lowest - 0.08 * (1 - lowest), 1)


def _draw_series(axes: Axes, history: Sequence[EpochPoint], field: str, colour: str, label: str) -> None:
    measured = [(point.epoch, getattr(point, field)) for point in history if getattr(point, field) is not None]
    if measured:
        epochs, values = zip(*measured, strict=True)
        axes.plot(epochs, values, color=colour, linewidth=1.4, marker="o", ms=3, label=label, clip_on=False)


def _mark_chosen(figure: Figure, loss: Axes, area: Axes, point: EpochPoint, *, measure: str) -> None:
    for axes in (loss, area):
        axes.axvline(point.epoch, color=FAINT, linewidth=1, zorder=0)
    text = f"chosen: epoch {point.epoch}"
    if point.validation_score is not None:
        area.plot([point.epoch], [point.validation_score], "o", ms=8, markerfacecolor="none", color=INK, clip_on=False)
        text += f", validation {measure} {point.validation_score:.3f}"
    place_text(figure, text, left=0.7, top=0.1, size=NORMAL)
