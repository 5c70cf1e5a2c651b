"""The figures of a tuning grid: a sheet for each prompt and image, and maps of what was measured for each prompt."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort.figures.tuning import Measure, Place, draw_tuning_maps, draw_tuning_sheet
from cxrshort.files import shell_safe
from cxrshort.generative.roentmod.tuning_pictures import CellPictures, Pictures
from cxrshort.quantities import quantity

_MEASURES = {
    "beyond_sham": "target beyond sham, logit",
    "off_target": "off target, logit",
    "distance": "distance to the original",
}


def draw_grid(
    summary: Mapping[str, Any],
    originals: Pictures,
    cells: Sequence[CellPictures],
    *,
    path_of: Callable[[str], Path],
) -> list[Path]:
    """Draw all figures of a grid, and return their paths.

    Args:
        summary: of the grid.
        originals: (images, H, W).
        cells: of the grid.
        path_of: gives the path of a named output.
    """
    chosen: dict[str, Place] = {
        row["edit"]: (row["strength"], row["guidance"]) for row in summary["proposals"] if row["strength"] is not None
    }
    figures = []
    for number, prompt in enumerate(summary["prompts"]):
        edit, stem = prompt["edit"], shell_safe(prompt["edit"])
        for image, name in enumerate(summary["images"]):
            path = path_of(f"sheet-{stem}-{image + 1}.png")
            title = f"{edit} ({prompt['text']}), image {name}"
            pictures = _pictures(cells, number, image)
            figures.append(draw_tuning_sheet(originals[image], pictures, path, proposed=chosen.get(edit), title=title))
        if measures := _measures(summary, edit):
            title = f"{edit}, judged by {summary['rule']['judge']}: {quantity(len(summary['images']), 'image')}"
            path = path_of(f"map-{stem}.png")
            figures.append(draw_tuning_maps(measures, path, proposed=chosen.get(edit), title=title))
    return figures


def _pictures(cells: Sequence[CellPictures], prompt: int, image: int) -> dict[Place, Pictures | None]:
    """Return one edit of one image in every cell."""
    pictures: dict[Place, Pictures | None] = {}
    for cell in cells:
        stored, made = cell.read()
        place = cell.cell.strength, cell.cell.guidance
        pictures[place] = stored[prompt, image].copy() if made[prompt, image] else None
    return pictures


def _measures(summary: Mapping[str, Any], edit: str) -> list[Measure]:
    """Return what the rule's judge says of one edit, without what it does not say in any cell."""
    rows = [row for row in summary["cells"] if row["judge"] == summary["rule"]["judge"] and row["edit"] == edit]
    measures = []
    for name, title in _MEASURES.items():
        values = {(row["strength"], row["guidance"]): row[name] for row in rows}
        if any(value is not None for value in values.values()):
            measures.append(Measure(title, values, summary["rule"]["limit"] if name == "distance" else None))
    return measures
