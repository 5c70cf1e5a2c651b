"""Read what readers saw in edited radiographs, and what came along with the findings that were asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import runs
from cxrshort.dataset import load_dataset
from cxrshort.errors import UsageError
from cxrshort.figures.reader_shares import MOST_COLUMNS, MOST_MATRICES, MOST_ROWS, ShareCell, draw_shares
from cxrshort.json_files import write_json
from cxrshort.manifest import write_table
from cxrshort.models.predictions import image_folders
from cxrshort.registry import check_name
from cxrshort.results import Result
from cxrshort.stats.reader_shares import RULES
from cxrshort.verbs.roentmod.answers import Answers, read_answers, read_key
from cxrshort.verbs.roentmod.reader_agreements import agreement_rows
from cxrshort.verbs.roentmod.reader_cells import (
    LOW_ADHERENCE,
    adherence_rows,
    cohort_shares,
    cooccurrence_cells,
    cooccurrence_table,
    first_readings,
    realism_rows,
    row_names,
)
from cxrshort.verbs.roentmod.reader_tables import reader_blocks
from cxrshort.verbs.roentmod.sheet_plan import READER

VERB = "roentmod readers"
KIND = "readers"
COOCCURRENCE, CELLS, ADHERENCE, AGREEMENT, REALISM, SUMMARY = (
    "cooccurrence.csv",
    "cells.csv",
    "adherence.csv",
    "agreement.csv",
    "realism.csv",
    "summary.json",
)
COOCCURRENCE_FIGURE, READERS_FIGURE = "cooccurrence.png", "by-reader.png"


def readers(
    answers: Sequence[Path],
    *,
    key: Path,
    unsure: str = "drop",
    blank: str = "missing",
    cohort: str | None = None,
    seed: int = 0,
    out: Path | None = None,
    force: bool = False,
) -> Result:
    """Return what readers saw: adherence, co-occurrence, agreement and realism.

    Args:
        answers: the sheet of each reader, filled in.
        key: the key that was written with them.
        unsure: what an unsure answer counts as: one of :data:`~cxrshort.stats.reader_shares.RULES`.
        blank: what an empty cell stands for: one of :data:`~cxrshort.verbs.roentmod.answers.BLANKS`.
        cohort: dataset of real images with labels, whose co-occurrence stands beside that of the edits.
        seed: draws the persons of bootstrap intervals.
        out: the results folder; None writes nothing.
        force: overwrite an earlier result.

    Raises:
        DataError: sheets that are not of this key, a reader twice, or a cell that is no answer.
        UsageError: no sheet, or an unknown rule.
        MissingInputError: a file or dataset is not there.
    """
    check_name(RULES, unsure, kind="rule for unsure answers")
    if not answers:
        raise UsageError("no sheet to read", "name the files that readers filled in")
    collected = read_answers(answers, read_key(key), blank=blank)
    real = None if cohort is None else load_dataset(cohort)
    first = first_readings(collected)
    shares = None if real is None else cohort_shares(real, [*collected.findings, *row_names(first, collected.findings)])
    summary = _summarise(collected, first, rule=unsure, shares=shares, seed=seed)
    summary |= {"cohort": None if real is None else real.name, "unsure": unsure, "blank": blank}
    result = Result(summary, reader_blocks(summary), notes=[*collected.notes, *_notes(summary)], kind=KIND)
    if out is None:
        note = f"--out DIR writes {COOCCURRENCE}, which stress-test --expected and edit --off-target read"
        return replace(result, notes=[*result.notes, note])
    arguments: dict[str, Any] = {"answers": list(map(str, answers)), "key": str(key), "unsure": unsure, "blank": blank}
    arguments |= {"cohort": cohort, "seed": seed}
    inputs = {"key": key, **{f"answers {number}": path for number, path in enumerate(answers, start=1)}}
    if real is not None and real.path is not None:
        inputs |= {real.name: real.path, **image_folders(real)}
    with runs.open_run(out, VERB, arguments=arguments, inputs=inputs, force=force, resume=None) as run:
        return _write(run, result)


def _summarise(
    answers: Answers,
    first: pd.DataFrame,
    *,
    rule: str,
    shares: Mapping[tuple[str, str], float] | None,
    seed: int,
) -> dict[str, Any]:
    """Return all numbers."""
    findings = list(answers.findings)
    by_reader = [
        {READER: str(reader), **cell}
        for reader, rows in first.groupby(READER, sort=True)
        for cell in cooccurrence_cells(rows, findings, rule=rule)
    ]
    return {
        "findings": findings,
        "readers": [
            {
                "reader": str(reader),
                "readings": len(rows),
                "images": int(rows["image_id"].nunique()),
                "unsure": int((rows[findings] == 2).to_numpy().sum()),
                "empty": int(rows[findings].isna().to_numpy().sum()),
            }
            for reader, rows in answers.rows.groupby(READER, sort=True)
        ],
        "adherence": adherence_rows(first, findings, rule=rule, seed=seed),
        "cells": cooccurrence_cells(first, findings, rule=rule, cohort=shares),
        "cells_by_reader": by_reader,
        "agreement": agreement_rows(answers, seed=seed),
        "realism": realism_rows(first, answers.realism, rule=rule),
    }


def _notes(summary: Mapping[str, Any]) -> list[str]:
    """Return what must be known of the numbers."""
    notes = []
    low = [f"{row['edit']} ({row['share']:.2f})" for row in summary["adherence"] if row.get("low_adherence")]
    if low:
        notes.append(
            f"readers see the finding in less than {LOW_ADHERENCE:.0%} of its edits: {', '.join(low)}; RoentMod 2025 "
            "dropped findings at 0.76 and 0.70"
        )
    unasked = [row["edit"] for row in summary["adherence"] if "reason" in row]
    if unasked:
        notes.append(f"readers were not asked about what was added: {', '.join(unasked)}")
    if not any(cell["role"] == "sham" for cell in summary["cells"]):
        notes.append("no sham edits were read: how often readers see a finding by mistake is not known")
    if not summary["agreement"]:
        notes.append("no image was read twice, so that agreement is not known")
    return notes


def _write(run: runs.Run, result: Result) -> Result:
    """Write tables and figures, and return the result with them."""
    summary = result.summary
    adherence = [{name: value for name, value in row.items() if name != "by_reader"} for row in summary["adherence"]]
    cells = [{READER: "all", **cell} for cell in summary["cells"]] + list(summary["cells_by_reader"])
    tables = {
        COOCCURRENCE: cooccurrence_table(summary["cells"], summary["findings"]),
        CELLS: cells,
        ADHERENCE: adherence,
        **({AGREEMENT: summary["agreement"]} if summary["agreement"] else {}),
        **({REALISM: summary["realism"]} if summary["realism"] else {}),
    }
    for name, rows in tables.items():
        write_table(pd.DataFrame(rows), run.path(name))
    figures, notes = _draw(summary, run)
    result = replace(result, notes=[*result.notes, *notes], file=run.folder / COOCCURRENCE)
    write_json(run.path(SUMMARY), {"schema": f"cxrshort.{KIND}/1", **summary, "notes": list(result.notes)})
    run.finish({"summary": summary})
    return replace(result, folder=run.folder, figures=[run.folder / path.name for path in figures])


def _draw(summary: Mapping[str, Any], run: runs.Run) -> tuple[list[Path], list[str]]:
    """Draw co-occurrence, beside the cohort's where there is one, and the matrix of each reader."""
    rows = len({cell["added"] for cell in summary["cells"]})
    if rows > MOST_ROWS or len(summary["findings"]) > MOST_COLUMNS:
        return [], [f"no figure is drawn of {rows} by {len(summary['findings'])} cells; the tables have all"]
    matrices = {"readers of the edits": _cells_of(summary["cells"], "share")}
    if summary["cohort"] is not None:
        matrices = {f"labels of {summary['cohort']}": _cells_of(summary["cells"], "cohort"), **matrices}
    foot = "framed: the finding that was asked for; hatched: not known"
    title = "Share of images that show each finding"
    figures = [draw_shares(matrices, run.path(COOCCURRENCE_FIGURE), title=title, foot=foot)]
    names = [row["reader"] for row in summary["readers"]]
    if len(names) < 2:
        return figures, []
    notes = [f"figures show the first {MOST_MATRICES} of {len(names)} readers"] if len(names) > MOST_MATRICES else []
    own = {
        f"reader {name}": _cells_of([cell for cell in summary["cells_by_reader"] if cell[READER] == name], "share")
        for name in names[:MOST_MATRICES]
    }
    title = "Share of edits in which each reader sees each finding"
    return [*figures, draw_shares(own, run.path(READERS_FIGURE), title=title, foot=foot)], notes


def _cells_of(cells: Sequence[Mapping[str, Any]], value: str) -> list[ShareCell]:
    return [ShareCell(cell["added"], cell["seen"], cell[value], bool(cell["on_target"])) for cell in cells]
