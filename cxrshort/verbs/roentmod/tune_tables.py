"""A tuning grid as rows of tables, the cells that the rule proposes, and what people see of both."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cxrshort.generative.roentmod.contract import Prompt
from cxrshort.generative.roentmod.tuning_grid import PAPER, Cell
from cxrshort.generative.roentmod.tuning_pictures import CellPictures
from cxrshort.results import UNLESS_QUIET, VERBOSE, Block, Column, Facts, Table
from cxrshort.stats.changes import Interval
from cxrshort.stats.finding_names import label_of
from cxrshort.stats.tuning import CellScore, may_be_proposed, propose_cell, score_cell
from cxrshort.verbs.roentmod.tune_scores import GridScores

Record = dict[str, Any]
EVERY_PROMPT = "all prompts"
_INTERVAL = len("+2.345 [-0.123, 4.567]")


def grid_scores(scores: GridScores, prompts: Sequence[Prompt], persons: Sequence[str]) -> list[list[CellScore]]:
    """Return what is measured of each prompt in each cell.

    Args:
        scores: of one model, or of small pictures.
        prompts: of each image, the sham last.
        persons: whose images they are.
    """
    cells = []
    for place, after in enumerate(scores.after):
        distances = scores.distances[place] if scores.distances else np.full(after.shape[:2], np.nan)
        row = []
        for number, prompt in enumerate(prompts):
            label = label_of(prompt.label or prompt.edit, scores.labels)
            target = list(scores.labels).index(label) if label else None
            row.append(
                score_cell(
                    scores.before,
                    after[number],
                    after[-1],
                    target=target,
                    distances=distances[number],
                    persons=persons,
                )
            )
        cells.append(row)
    return cells


def cell_rows(
    scores: GridScores,
    measured: Sequence[Sequence[CellScore]],
    cells: Sequence[CellPictures],
    prompts: Sequence[Prompt],
    *,
    most_off_target: float,
) -> list[Record]:
    """Return a row for each prompt and cell, as cells.csv has them.

    Args:
        scores: of one model, or of small pictures.
        measured: of :func:`grid_scores`.
        cells: of the grid.
        prompts: as for :func:`grid_scores`.
        most_off_target: of the rule.
    """
    rows = []
    for number, prompt in enumerate(prompts):
        for cell, own in zip(cells, measured, strict=True):
            score = own[number]
            allowed = may_be_proposed(score, limit=_limit(scores), most_off_target=most_off_target)
            rows.append(
                {
                    "judge": scores.name,
                    "edit": prompt.edit,
                    **cell_record(cell.cell),
                    **cell.facts,
                    **_interval("target", score.target),
                    **_interval("beyond_sham", score.beyond_sham),
                    "off_target": _number(score.off_target),
                    "distance": _number(score.distance),
                    "images": int(cell.read()[1][number].sum()),
                    "allowed": allowed if scores.labels and number < len(prompts) - 1 else None,
                }
            )
    return rows


def cell_record(cell: Cell) -> Record:
    """Return the settings of a cell as columns."""
    return {"strength": cell.strength, "guidance": cell.guidance}


def _limit(scores: GridScores) -> float | None:
    return scores.limit if scores.distances else None


def _interval(name: str, interval: Interval) -> Record:
    numbers = {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return {key: _number(value) for key, value in numbers.items()}


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def proposals(
    scores: GridScores,
    measured: Sequence[Sequence[CellScore]],
    cells: Sequence[Cell],
    prompts: Sequence[Prompt],
    *,
    most_off_target: float,
) -> list[Record]:
    """Return what the rule proposes for each prompt that adds a finding, and for all of them together.

    Args:
        scores: of the model that the rule goes by.
        measured: of :func:`grid_scores`.
        cells: of the grid.
        prompts: as for :func:`grid_scores`.
        most_off_target: of the rule.
    """
    rule: dict[str, Any] = {"limit": _limit(scores), "most_off_target": most_off_target}
    findings = [
        number for number, prompt in enumerate(prompts[:-1]) if label_of(prompt.label or prompt.edit, scores.labels)
    ]
    rows = []
    for number in findings:
        place = propose_cell([[own[number]] for own in measured], **rule)
        chosen = {} if place is None else _measures(measured[place][number])
        rows.append(_proposal(prompts[number].edit, None if place is None else cells[place], chosen))
    if len(findings) > 1:
        place = propose_cell([[own[number] for number in findings] for own in measured], **rule)
        rows.append(_proposal(EVERY_PROMPT, None if place is None else cells[place], {}))
    return rows


def _proposal(edit: str, cell: Cell | None, measures: Record) -> Record:
    if cell is None:
        return {"edit": edit, "strength": None, "guidance": None, "reason": "no cell fulfils the rule"}
    return {"edit": edit, **cell_record(cell), **measures, "reason": ""}


def _measures(score: CellScore) -> Record:
    return {
        **_interval("beyond_sham", score.beyond_sham),
        "off_target": _number(score.off_target),
        "distance": _number(score.distance),
    }


def tune_blocks(summary: Mapping[str, Any]) -> list[Block]:
    """Return what people see of a summary: the grid, the proposals, the cells."""
    grid = summary["grid"]
    is_phantom = grid["guidances"] == [None]
    first = "severity" if is_phantom else "strength"
    facts = [
        ("images", f"{len(summary['images']):,} of {summary['dataset']}"),
        (f"{first}", ", ".join(f"{value:g}" for value in grid["strengths"])),
        ("guidance", "none" if is_phantom else ", ".join(f"{value:g}" for value in grid["guidances"])),
        ("rule", summary["rule"]["text"]),
    ]
    blocks: list[Block] = [Facts(facts, UNLESS_QUIET)]
    if summary["proposals"]:
        blocks.append(_proposal_table(summary["proposals"], first=first, guided=not is_phantom))
    rows = summary["cells"]
    if not is_phantom and (paper := [row for row in rows if (row["strength"], row["guidance"]) == PAPER]):
        title = f"At strength {PAPER[0]:g} and guidance {PAPER[1]:g}, which RoentMod 2025 chose"
        blocks.append(_cell_table(paper, title, first=first, guided=False, shown=UNLESS_QUIET))
    blocks.append(_cell_table(rows, "All cells", first=first, guided=not is_phantom, shown=VERBOSE))
    return blocks


def _proposal_table(rows: Sequence[Record], *, first: str, guided: bool) -> Table:
    heads = [
        Column("edit", "edit"),
        Column(first, "shown_strength", "count"),
        *([Column("guidance", "shown_guidance", "count")] if guided else []),
        Column("target beyond sham", "beyond_sham", "interval", least=_INTERVAL),
        Column("off target", "shown_off_target", "count"),
        Column("distance", "shown_distance", "count"),
    ]
    return Table(heads, [_shown(row) for row in rows], "Proposed: look at the sheets, and let readers confirm it")


def _cell_table(rows: Sequence[Record], title: str, *, first: str, guided: bool, shown: Any) -> Table:
    heads = [
        Column("judge", "judge", folds=True),
        Column("edit", "edit"),
        Column(first, "shown_strength", "count"),
        *([Column("guidance", "shown_guidance", "count")] if guided else []),
        Column("target", "target", "interval", least=_INTERVAL),
        Column("beyond sham", "beyond_sham", "interval", least=_INTERVAL),
        Column("off target", "shown_off_target", "count"),
        Column("distance", "shown_distance", "count"),
        Column("images", "images", "count"),
    ]
    return Table(heads, [_shown(row) for row in rows], title, shown)


def _shown(row: Record) -> Record:
    """Return a row with its numbers as text, empty where there is none."""
    texts = {
        f"shown_{name}": "" if row.get(name) is None else f"{row[name]:.3g}"
        for name in ("strength", "guidance", "off_target", "distance")
    }
    return {"target": None, "beyond_sham": None, **row, **texts}
