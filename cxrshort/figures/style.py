"""The look of all figures: colours, sizes in inches, and PNG files that are the same bytes each time.

Figures are built from ``Figure`` objects, never through pyplot: no global state, no display, safe in threads.
"""

import contextlib
import io
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from cxrshort.files import atomic

DPI = 150
INK = "#222222"
FAINT = "#b8b8b8"
SMALL, NORMAL, LARGE = 7.5, 9.0, 10.5

# DeGrave et al. 2021, Fig. 1 and 6: dataset I red, II teal, III blue.
DATASET_COLOURS = {"I": "#b43335", "II": "#107f80", "III": "#1e579a", "external": "#d98b1f"}
# Told apart in print and by most colour-blind readers (after Okabe & Ito 2008), and unlike the four above.
FALLBACK_COLOURS = ("#7a4b9c", "#4d4d4d", "#8a6d3b", "#c2649a", "#6f9e3f", "#59a5d8")


def colours_of(datasets: Iterable[str]) -> dict[str, str]:
    """Return each dataset's colour: the paper's for I, II, III (``phantom-I`` too), others in order of appearance."""
    colours: dict[str, str] = {}
    for dataset in datasets:
        if dataset not in colours:
            colours[dataset] = _next_colour(dataset, set(colours.values()))
    return colours


def _next_colour(dataset: str, used: set[str]) -> str:
    candidates = [
        DATASET_COLOURS.get(dataset.removeprefix("phantom-"), ""),
        *FALLBACK_COLOURS,
        *DATASET_COLOURS.values(),
    ]
    free = [colour for colour in candidates if colour and colour not in used]
    return free[0] if free else FALLBACK_COLOURS[len(used) % len(FALLBACK_COLOURS)]


def new_figure(width: float, height: float, *, colour: str = "white", dpi: int = DPI) -> Figure:
    """Return an empty figure of that many inches, drawn by Agg."""
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor=colour)
    FigureCanvasAgg(figure)
    return figure


def add_axes(figure: Figure, left: float, top: float, *, width: float, height: float) -> Axes:
    """Add axes by their distance from the left and upper edges and their size, all in inches."""
    across, down = figure.get_size_inches()
    axes = figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(labelsize=SMALL, colors=INK, length=3)
    return axes


def place_text(figure: Figure, text: str, *, left: float, top: float, size: float = NORMAL, colour: str = INK) -> Text:
    """Write text whose upper left corner is that many inches from the left and upper edges."""
    across, down = figure.get_size_inches()
    where = (left / across, 1 - top / down)
    return figure.text(*where, text, size=size, color=colour, va="top", ha="left", parse_math=False)


def wrap(text: str, characters: int, *, lines: int = 3) -> str:
    """Break text after that many characters, at spaces or hyphens where possible; what is left over becomes "…"."""
    pieces = [
        piece
        for paragraph in text.splitlines() or [""]
        for piece in textwrap.wrap(paragraph, characters, break_long_words=True) or [""]
    ]
    if len(pieces) > lines:
        pieces = [*pieces[: lines - 1], pieces[lines - 1][: characters - 1] + "…"]
    return "\n".join(pieces)


def fit(text: str, *, width: float, size: float = NORMAL, lines: int = 2) -> str:
    """Break text as `wrap` does so that no line is wider than that many inches when it is written in this size."""
    probe = place_text(new_figure(1, 1), "", left=0, top=0, size=size)
    characters = max(2, int(72 * width / (0.3 * size)))  # as many as fit of the narrowest letters
    while True:
        broken = wrap(text, characters, lines=lines)
        probe.set_text(broken)
        with _any_script():
            ratio = probe.get_window_extent().width / (DPI * width)
        if ratio <= 1 or characters == 2:
            return broken
        characters = max(2, min(characters - 1, int(characters / min(ratio, 1.25))))


def signed(value: float) -> str:
    """Return a number with its sign and two decimals, or one digit of what is smaller; exactly 0 has no sign.

    Example:
        >>> signed(2.8), signed(-0.0042), signed(-1834.0), signed(0.0)
        ('+2.80', '−0.004', '−1,834', '0')
    """
    size = abs(value)
    text = f"{value:+.1g}" if size < 0.00995 else f"{value:+.2f}" if size < 999.5 else f"{value:+,.0f}"
    return text.replace("-", "−") if value else "0"


def fit_title(title: str, across: float) -> tuple[str, float]:
    """Return a title broken to the width of its figure, three lines at most, and the height in inches that it takes."""
    heading = fit(title, width=across - 0.3, size=LARGE, lines=3)
    return heading, 0.24 + 0.2 * (heading.count("\n") + 1) if title else 0.1


@contextlib.contextmanager
def _any_script() -> Iterator[None]:
    """Accept names in any script: the font draws a box for what it lacks, and the warning would print it raw."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        yield


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a PNG that holds no date and no version, whole or not at all, and return its path.

    Raises:
        OutputError: the file cannot be written.
    """
    rendered = io.BytesIO()  # in memory first: the library's writer leaves half a file on a full disk
    with _any_script(), matplotlib.rc_context({"savefig.bbox": None, "savefig.facecolor": "auto"}):
        figure.savefig(rendered, format="png", dpi=figure.dpi, metadata={"Software": None})
    with atomic(path) as temporary:
        temporary.write_bytes(rendered.getbuffer())
    return path
