"""The figures of a stress test, from its summary."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cxrshort.figures.stress_test import (
    MOST_COLUMNS,
    MOST_MODELS,
    MOST_ROWS,
    MatrixCell,
    ProbabilityCell,
    draw_changes,
    draw_probabilities,
)


def draw_stress_test(summary: Mapping[str, Any], *, matrix: Path, probabilities: Path) -> tuple[list[Path], list[str]]:
    """Draw the matrix and the probabilities of each model, and note what has no room.

    Args:
        summary: of a stress test.
        matrix: the PNG of changes.
        probabilities: the PNG of probabilities.
    """
    cells = list(summary["cells"])
    notes = []
    models = [row["model"] for row in summary["models"]]
    predicted = list(dict.fromkeys(cell["predicted"] for cell in cells))
    added = list(dict.fromkeys(cell["added"] for cell in cells))
    for noun, names, most in (
        ("models", models, MOST_MODELS),
        ("added", added, MOST_ROWS - 3),
        ("predicted", predicted, MOST_COLUMNS),
    ):
        if len(names) > most:
            notes.append(f"figures show the first {most} of {len(names)} {noun} alone; the tables have all")
    kept = [
        cell
        for cell in cells
        if cell["model"] in models[:MOST_MODELS]
        and cell["added"] in added[: MOST_ROWS - 3]
        and cell["predicted"] in predicted[:MOST_COLUMNS]
    ]
    controls = [
        cell
        for cell in summary["controls"]
        if cell["model"] in models[:MOST_MODELS] and cell["predicted"] in predicted[:MOST_COLUMNS]
    ]
    shown = models[:MOST_MODELS]
    draw_changes(
        {name: [_matrix_cell(cell) for cell in [*kept, *controls] if cell["model"] == name] for name in shown},
        matrix,
        title=f"Median change of the percentile by a finding that was added: {summary['after']}",
    )
    draw_probabilities(
        {name: [_probability_cell(cell) for cell in kept if cell["model"] == name] for name in shown},
        probabilities,
        title="Median predicted probability before and after a finding was added",
    )
    return [matrix, probabilities], notes


def _matrix_cell(cell: Mapping[str, Any]) -> MatrixCell:
    verdict = str(cell["verdict"]) if not cell["on_target"] else ""
    return MatrixCell(cell["added"], cell["predicted"], cell["change"], bool(cell["on_target"]), verdict)


def _probability_cell(cell: Mapping[str, Any]) -> ProbabilityCell:
    numbers = (cell[name] for name in ("probability_before", "probability_after", "cooccurrence"))
    return ProbabilityCell(cell["added"], cell["predicted"], *numbers)
