"""The grid of strengths and guidances over which an editor is tuned, and the editor of each cell.

The paper (RoentMod 2025) took ten values from 0.2 to 1 and ten from 1.5 to 10, and chose 0.4 and 4, neither of which
lies on that grid. The grids here are evenly spaced and hold both.

What would make cells incomparable: other noise in each. The rows of edits are the same for all cells, and with them the
seeds of the noise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cxrshort.errors import UsageError
from cxrshort.generative.roentmod.contract import Editor
from cxrshort.generative.roentmod.diffusion import DiffusionEditor
from cxrshort.generative.roentmod.phantom import PhantomEditor

STRENGTHS, GUIDANCES = "0.2:1:9", "1:10:10"
"""The default grids: 0.2, 0.3, ... 1, with 0.4 among them, and 1, 2, ... 10, with 4; guidance 1 is none."""
PAPER = (0.4, 4.0)
"""What the paper chose; its text has the two swapped."""
SEVERITIES = "0.2:1:9"
MOST_VALUES = 40
_FORM = "FIRST:LAST:COUNT, such as 0.2:1:9, or values with commas between them"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """Hold the settings of one cell.

    Args:
        strength: share of the steps that are taken; of the phantom, the severity.
        guidance: scale of guidance; None where the editor has none.
    """

    strength: float
    guidance: float | None

    @property
    def name(self) -> str:
        """Return the cell in words.

        Example:
            >>> Cell(0.4, 4.0).name, Cell(0.7, None).name
            ('strength 0.4, guidance 4', 'severity 0.7')
        """
        if self.guidance is None:
            return f"severity {self.strength:g}"
        return f"strength {self.strength:g}, guidance {self.guidance:g}"


def parse_values(text: str, option: str) -> list[float]:
    """Return the values of one side of a grid, in order.

    Args:
        text: ``FIRST:LAST:COUNT`` for evenly spaced values, or values with commas between them.
        option: that messages name.

    Raises:
        UsageError: not of that form, a value twice, or too many.

    Example:
        >>> parse_values("0.2:1:9", "--strengths")[:3], parse_values("4,1.5", "--guidances")
        ([0.2, 0.3, 0.4], [1.5, 4.0])
    """
    parts = text.split(":")
    try:
        if len(parts) == 3:
            first, last, count = float(parts[0]), float(parts[1]), int(parts[2])
            values = [round(float(value), 6) for value in np.linspace(first, last, max(count, 0))]
        else:
            values = sorted(float(value) for value in text.split(","))
    except ValueError:
        values = []
    if not values or not all(map(math.isfinite, values)):
        raise UsageError(f"{option} '{text}' is no grid", _FORM)
    if len(set(values)) < len(values):
        raise UsageError(f"{option} '{text}' holds a value twice", _FORM)
    if len(values) > MOST_VALUES:
        raise UsageError(f"{option} '{text}' has {len(values)} values, more than {MOST_VALUES}", "choose fewer")
    return sorted(values)


def list_cells(editor: str, strengths: str | None, guidances: str | None) -> list[Cell]:
    """Return the cells of a grid, by strength and guidance.

    Args:
        editor: ``"diffusion"`` or ``"phantom"``.
        strengths: of :func:`parse_values`; None takes the default.
        guidances: likewise; the phantom has none.

    Raises:
        UsageError: a value out of range, or guidance where there is none.
    """
    if editor == "phantom":
        if guidances is not None:
            raise UsageError("--guidances is of the editor 'diffusion', not of 'phantom'", "leave it out")
        severities = parse_values(strengths or SEVERITIES, "--strengths")
        _check_range(severities, "--strengths", 0.0, 1.0, "a severity is above 0 and at most 1", open_below=True)
        return [Cell(severity, None) for severity in severities]
    if editor != "diffusion":
        raise UsageError(f"'{editor}' has no strength that could be tuned", "one of: diffusion, phantom")
    first = parse_values(strengths or STRENGTHS, "--strengths")
    second = parse_values(guidances or GUIDANCES, "--guidances")
    _check_range(first, "--strengths", 0.0, 1.0, "a strength is from 0 to 1")
    _check_range(second, "--guidances", 1.0, math.inf, "guidance is 1 or more; 1 is none")
    return [Cell(strength, guidance) for strength in first for guidance in second]


def _check_range(
    values: Sequence[float], option: str, low: float, high: float, hint: str, *, open_below: bool = False
) -> None:
    outside = [value for value in values if not low <= value <= high or (open_below and value == low)]
    if outside:
        raise UsageError(f"{option} holds {outside[0]:g}", hint)


def editor_of(editor: Editor, cell: Cell) -> Editor:
    """Return an editor with the settings of a cell, which shares its networks and what it encoded.

    Args:
        editor: opened once for the whole grid.
        cell: its strength and guidance.

    Raises:
        UsageError: steps x strength is less than one step, or an editor without such settings.
    """
    if isinstance(editor, PhantomEditor):
        return replace(editor, severity=cell.strength)
    if isinstance(editor, DiffusionEditor) and cell.guidance is not None:
        return editor.at(strength=cell.strength, guidance=cell.guidance)
    raise UsageError(f"the editor has no '{cell.name}'", "one of: diffusion, phantom")


def cell_facts(editor: Editor) -> dict[str, Any]:
    """Return what a table says of a cell besides its settings: how many steps, and where they start."""
    names = ("denoising_steps", "unet_calls", "start_timestep")
    return {name: editor.facts[name] for name in names if name in editor.facts}
