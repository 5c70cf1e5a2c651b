"""The two ties of DogsWithTies: a red necktie and a purple bow tie, drawn to fit a mark on a dog's neck.

The authors' tie pictures are not published. As theirs, ours are always the same picture, upright (the necktie) or
across (the bow tie), scaled with the mark alone, so that shape, texture and colour give the class away.
"""

from collections.abc import Callable

from PIL import Image, ImageDraw

NECKTIE, BOW_TIE = "red necktie", "purple bow tie"

Box = tuple[int, int, int, int]
_Colour = tuple[int, int, int, int]

_FINER = 4
"""Ties are drawn this much larger and then reduced, for smooth edges."""

_RED, _DARK_RED, _LIGHT_RED = (200, 16, 30, 255), (120, 6, 16, 255), (235, 90, 90, 255)
_PURPLE, _DARK_PURPLE, _LIGHT_PURPLE = (120, 30, 160, 255), (66, 10, 96, 255), (178, 102, 214, 255)


def tie_box(kind: str, mark: tuple[float, float, float, float]) -> Box:
    """Return where a tie lies: x0, y0, x1, y1, half-open.

    Args:
        kind: `NECKTIE` (hangs from the top of the mark) or `BOW_TIE` (across its middle).
        mark: x, y, width and height of the neck, in pixels.
    """
    x, y, width, height = mark
    across, down = (0.4 * width, 1.2 * width) if kind == NECKTIE else (width, 0.55 * width)
    top = y if kind == NECKTIE else y + (height - down) / 2
    left = x + (width - across) / 2
    columns, rows = max(2, round(across)), max(2, round(down))
    return round(left), round(top), round(left) + columns, round(top) + rows


def draw_tie(kind: str, width: int, height: int) -> Image.Image:
    """Draw a tie on a transparent ground, mode RGBA."""
    large = Image.new("RGBA", (width * _FINER, height * _FINER))
    _PAINTERS[kind](ImageDraw.Draw(large), width * _FINER, height * _FINER)
    return large.resize((width, height), Image.Resampling.BOX)


def _shape(brush: ImageDraw.ImageDraw, width: int, height: int, colour: _Colour, *corners: tuple[float, float]) -> None:
    brush.polygon([(x * (width - 1), y * (height - 1)) for x, y in corners], fill=colour)


def _necktie(brush: ImageDraw.ImageDraw, width: int, height: int) -> None:
    _shape(brush, width, height, _RED, (0.38, 0.14), (0.62, 0.14), (1, 0.82), (0.5, 1), (0, 0.82))
    for step in range(4):  # stripes that rise to the right and stay within the blade
        low = 0.30 + 0.14 * step
        reach = 0.10 + 0.36 * (low - 0.14)
        _shape(
            brush,
            width,
            height,
            _LIGHT_RED,
            (0.5 - reach, low + 0.05),
            (0.5 + reach, low - 0.01),
            (0.5 + reach, low + 0.03),
            (0.5 - reach, low + 0.09),
        )
    _shape(brush, width, height, _DARK_RED, (0.22, 0), (0.78, 0), (0.62, 0.16), (0.38, 0.16))


def _bow_tie(brush: ImageDraw.ImageDraw, width: int, height: int) -> None:
    for side in (0.0, 1.0):
        _shape(brush, width, height, _PURPLE, (side, 0), (0.5, 0.36), (0.5, 0.64), (side, 1))
        edge = abs(side - 0.10)
        _shape(brush, width, height, _LIGHT_PURPLE, (edge, 0.16), (0.5, 0.44), (0.5, 0.5), (edge, 0.34))
        _shape(brush, width, height, _DARK_PURPLE, (edge, 0.66), (0.5, 0.52), (0.5, 0.58), (edge, 0.82))
    _shape(brush, width, height, _DARK_PURPLE, (0.42, 0.28), (0.58, 0.28), (0.58, 0.72), (0.42, 0.72))


_PAINTERS: dict[str, Callable[[ImageDraw.ImageDraw, int, int], None]] = {NECKTIE: _necktie, BOW_TIE: _bow_tie}
