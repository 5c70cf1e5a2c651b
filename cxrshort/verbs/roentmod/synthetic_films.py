"""What people see of a synthetic dataset: films and edits by prompt, the accounting, and a contact sheet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort.dataset import Dataset
from cxrshort.quantities import quantity
from cxrshort.results import DEFAULT, UNLESS_QUIET, Block, Facts, Result, Text, text_table
from cxrshort.verbs.roentmod.edited_films import draw_sheet, edits_table
from cxrshort.verbs.roentmod.edited_output import SHEET

FILM = "film"
"""What tables call a film from the generator alone."""


def draw_films(manifest: pd.DataFrame, *, path: Path, title: str) -> None:
    """Draw some films with all their edits of the first repetition; nothing where no edit was made."""
    is_edit = manifest["edit"] != ""
    films = manifest[~is_edit].reset_index(drop=True)
    edits = manifest[is_edit & manifest["source_image_id"].isin(films["image_id"])].reset_index(drop=True)
    if len(edits):
        draw_sheet(Dataset("synthetic", films), edits, path=path, title=title)


def synthesis_result(summary: Mapping[str, Any], folder: Path) -> Result:
    """Return what was made, the same for a finished run that --resume finds."""
    table = [{**row, "edit": row["edit"] or FILM} for row in edits_table(folder)]
    sheet = folder / SHEET
    figures = [sheet] if sheet.is_file() else []
    return Result(
        {**summary, "edits": table}, _blocks(summary, table), figures, summary["notes"], folder, kind="dataset"
    )


def _blocks(summary: Mapping[str, Any], table: Sequence[Mapping[str, Any]]) -> list[Block]:
    excluded = sum(summary["excluded"].values())
    name, counts = next(iter(summary["splits"].items()))
    folds = ", ".join(f"{fold} {count:,}" for fold, count in counts.items())
    cells = [
        [
            row["edit"],
            row["prompt"],
            row["finding"] or "-",
            f"{row['images']:,}",
            "-" if row["change"] is None else f"{row['change']:.1%}",
        ]
        for row in table
    ]
    lines = [
        f"candidates {summary['candidates']:,} = rows {summary['rows']:,} + excluded {excluded:,}",
        f"{quantity(summary['people'], 'synthetic person')}, a film and its edits each; {name}: {folds}",
        f"labels besides the added finding: {summary['off_target']}",
    ]
    facts = [("editor", str(summary["editor"].get("editor", ""))), ("drawn at", f"{summary['generator_size']} pixels")]
    blocks: list[Block] = [
        Facts(facts, shown=DEFAULT),
        Text("", shown=UNLESS_QUIET),
        text_table(["picture", "prompt", "finding", "made", "change"], cells, counts=(3, 4)),
        Text("\n".join(lines)),
    ]
    if excluded:
        reasons = [[reason, f"{count:,}"] for reason, count in summary["excluded"].items()]
        blocks.append(text_table(["excluded because", "pictures"], reasons, counts=(1,)))
    return blocks
