"""Learning curves of a CycleGAN: who is winning, and how well images come back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cxrshort.errors import DataError
from cxrshort.figures.style import FAINT, INK, NORMAL, SMALL, add_axes, fit, new_figure, place_text, save_figure

_TO, _FROM, _GREY = "#b43335", "#1e579a", "#8a8a8a"
_WIDTH, _HEIGHT, _LEFT, _STRIDE = 4.6, 1.2, 0.75, 1.62
_PANELS = ("discriminators", "generators", "images", "change")


def draw_adversarial_curves(
    history: Sequence[Mapping[str, Any]], path: Path, *, undecided: float, sides: Mapping[Literal["to", "from"], str]
) -> Path:
    """Draw, over the steps, the losses of both directions, the differences of images, and how much images change.

    Args:
        history: a record for each look, with ``number`` and the losses by name.
        path: the PNG.
        undecided: loss of a discriminator that cannot tell real images from made ones, drawn as a dashed line.
        sides: the expression of the sides ``to`` and ``from``.

    Raises:
        DataError: no look.
    """
    if not history:
        raise DataError("no step to draw: the log has no look at the losses", "train for at least one step")
    figure = new_figure(_LEFT + _WIDTH + 0.25, 0.75 + len(_PANELS) * _STRIDE)
    for place, (side, colour) in enumerate(((sides["to"], _TO), (sides["from"], _FROM))):
        text = fit(f"toward {side}", width=_WIDTH, size=SMALL, lines=1)
        place_text(figure, text, left=_LEFT, top=0.1 + 0.17 * place, size=SMALL, colour=colour)
    axes = [
        add_axes(figure, _LEFT, 0.6 + number * _STRIDE, width=_WIDTH, height=_HEIGHT) for number in range(len(_PANELS))
    ]
    numbers = [record["number"] for record in history]
    axes[0].axhline(undecided, color=_GREY, linewidth=0.8, linestyle="--")
    axes[0].text(
        1.0,
        undecided,
        "undecided ",
        transform=axes[0].get_yaxis_transform(),
        size=SMALL,
        color=_GREY,
        ha="right",
        va="bottom",
    )
    for panel, prefix in ((axes[0], "discriminator"), (axes[1], "generator"), (axes[3], "change")):
        for direction, colour in (("to", _TO), ("from", _FROM)):
            _draw(panel, numbers, [record[f"{prefix}_{direction}"] for record in history], colour)
    for name, style in (("cycle", "-"), ("identity", ":")):
        values = [record[name] for record in history]
        if any(values):
            _draw(axes[2], numbers, values, INK, style=style, label=name)
    axes[2].legend(
        loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=SMALL, ncols=2, borderaxespad=0, borderpad=0
    )
    names = ("discriminator loss", "generator loss", "mean |difference|\nof −1 to 1", "mean change\nof 255")
    for panel, name in zip(axes, names, strict=True):
        panel.set_ylabel(name, size=SMALL, color=INK)
        panel.set_xlim(0, numbers[-1] * 1.02)
        panel.set_ylim(bottom=0)
        panel.yaxis.set_major_locator(MaxNLocator(4))
        panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        panel.grid(axis="y", color=FAINT, linewidth=0.4)
    for panel in axes[:-1]:
        panel.set_xticklabels([])
    axes[-1].set_xlabel("step", size=NORMAL, color=INK, labelpad=2)
    return save_figure(figure, path)


def _draw(
    axes: Axes, numbers: Sequence[int], values: Sequence[float], colour: str, *, style: str = "-", label: str = ""
) -> None:
    marker = "o" if len(numbers) == 1 else ""
    axes.plot(numbers, values, style, color=colour, linewidth=1.2, marker=marker, ms=3, label=label or None)
