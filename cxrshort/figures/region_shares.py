"""The summary figure of shares: for each region how much of the maps lies there, beside how much of the image it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from cxrshort.errors import DataError
from cxrshort.figures.style import FAINT, INK, LARGE, NORMAL, SMALL, add_axes, new_figure, place_text, save_figure, wrap

_COLOURS = ("#b43335", "#107f80", "#1e579a", "#d98b1f")
_ROW, _LEFT, _WIDTH, _LINE = 0.34, 1.75, 3.6, 0.2


@dataclass(frozen=True, slots=True)
class SharePoint:
    """Hold one region of one group of images.

    Args:
        group: such as ``"COVID-19"`` or ``"no COVID-19"``; groups have a colour each, four at most.
        region: its name.
        share: mean share of absolute attribution, in [0, 1]; None where it was not measured.
        low: lower limit; None where there is none.
        high: upper limit.
        area: mean share of the pixels; None where it was not measured.
        ratio: share over area; None where there is none.
    """

    group: str
    region: str
    share: float | None
    low: float | None
    high: float | None
    area: float | None
    ratio: float | None


def draw_region_shares(points: Sequence[SharePoint], path: Path, *, title: str = "") -> Path:
    """Draw the share of each region with its interval over a grey bar of its area, and the ratio at the right.

    Args:
        points: in the order in which regions and groups are to stand; regions without any share are left out.
        path: the PNG.
        title: above.

    Raises:
        DataError: nothing to draw, or more groups than colours.
    """
    drawn = [point for point in points if point.share is not None]
    groups, regions = (list(dict.fromkeys(names)) for names in (map(_group, drawn), map(_region, drawn)))
    if not drawn or len(groups) > len(_COLOURS):
        raise DataError(
            f"shares of {len(groups)} groups cannot be drawn in one figure: there must be 1 to {len(_COLOURS)}",
            "draw a figure for each finding",
        )
    heading = wrap(title, 70, lines=2) if title else ""
    above = 0.5 + (0.2 * (heading.count("\n") + 1) if heading else 0)
    row = max(_ROW, 0.17 * len(groups))
    tall = row * len(regions)
    figure = new_figure(
        _LEFT + _WIDTH + 0.55 * len(groups) + 0.35, above + tall + 0.55 + _LINE * ((len(groups) + 2) // 2)
    )
    if heading:
        place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    axes = add_axes(figure, _LEFT, above, width=_WIDTH, height=tall)
    for number, region in enumerate(regions):
        _draw_region(axes, [point for point in drawn if point.region == region], number, groups=groups)
    for column, _ in enumerate(groups):
        place_text(
            figure, "ratio", left=_LEFT + _WIDTH + 0.15 + 0.55 * column, top=above - 0.2, colour=_COLOURS[column]
        )
    for point in drawn:
        if point.ratio is not None:
            left = _LEFT + _WIDTH + 0.15 + 0.55 * groups.index(point.group)
            top = above + row * (regions.index(point.region) + 0.5) - 0.065
            place_text(figure, _ratio_text(point.ratio), left=left, top=top, colour=_COLOURS[groups.index(point.group)])
    _finish(axes, [name.replace("_", " ") for name in regions], drawn)
    keys = [Line2D([], [], color=_COLOURS[i], marker="o", ms=5, label=wrap(name, 40)) for i, name in enumerate(groups)]
    legend = [*keys, Patch(color=FAINT, alpha=0.55, label="share of the area")]
    figure.legend(handles=legend, loc="lower left", bbox_to_anchor=(0.02, 0.0), ncols=2, frameon=False, fontsize=SMALL)
    return save_figure(figure, path)


def _group(point: SharePoint) -> str:
    return point.group


def _region(point: SharePoint) -> str:
    return point.region


def _ratio_text(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _draw_region(axes: Axes, points: Sequence[SharePoint], place: int, *, groups: Sequence[str]) -> None:
    """Draw the points of one region around its line; areas of groups may differ, so each has a bar of its own."""
    height = 0.8 / len(groups)
    for point in points:
        number = groups.index(point.group)
        y, colour = place - 0.4 + height * (number + 0.5), _COLOURS[number]
        axes.barh(y, 100 * (point.area or 0), height=height, color=FAINT, alpha=0.55, zorder=1)
        share = 100 * (point.share or 0)
        if point.low is not None and point.high is not None:
            axes.plot([100 * point.low, 100 * point.high], [y, y], color=colour, lw=1.6, zorder=2, clip_on=False)
        axes.plot(share, y, "o", color=colour, ms=4.5, zorder=3, clip_on=False)


def _finish(axes: Axes, names: Sequence[str], points: Sequence[SharePoint]) -> None:
    limits = [value for point in points for value in (point.share, point.high, point.area) if value is not None]
    axes.set(xlim=(0, 100 * min(1.0, 1.05 * max(*limits, 0.01))), ylim=(len(names) - 0.5, -0.5))
    axes.set_yticks(range(len(names)), names, size=NORMAL, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of absolute attribution, %", size=NORMAL, color=INK, labelpad=2)
