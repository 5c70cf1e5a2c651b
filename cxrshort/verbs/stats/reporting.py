"""What can be reported: guideline items that run folders prove, a model card and a datasheet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import runs
from cxrshort.errors import DataError, UsageError
from cxrshort.files import atomic
from cxrshort.json_files import write_json
from cxrshort.manifest import write_table
from cxrshort.results import DEFAULT, VERBOSE, Block, Column, Listing, Result, Table, Text
from cxrshort.verbs.stats.checklist.publishing import BLANK, DOCUMENTS, ITEMS, REPORTING
from cxrshort.verbs.stats.checklist.study import Study, load_study
from cxrshort.verbs.stats.output import SUMMARY
from cxrshort.verbs.stats.reports.documents import write_card, write_datasheet, write_items
from cxrshort.verbs.stats.reports.items import GUIDELINES, STATUSES, answer_items
from cxrshort.verbs.stats.run_folders import collect_runs

KIND = "stats-reporting"
CARD, DATASHEET = DOCUMENTS
TABLES = "items.md"


def reporting(
    paths: Sequence[str | Path],
    *,
    label: str | None = None,
    card: bool = False,
    datasheet: bool = False,
    out: Path | None = None,
    force: bool = False,
) -> Result:
    """Say which items of CLAIM 2024 and TRIPOD+AI the run folders of a study prove, and write its documents.

    Args:
        paths: run folders and folders of runs.
        label: the finding whose tests are reported; None for that of the first evaluation.
        card: the result for people is the model card.
        datasheet: the result for people is the datasheet.
        out: a folder for items.csv, items.md, model-card.md, datasheet.md, summary.json and run.json; None writes none.
        force: overwrite an earlier result.

    Raises:
        DataError: no run, or a label that no predictions have.
        UsageError: both documents at once.
    """
    if card and datasheet:
        raise UsageError("--card and --datasheet exclude each other", "--out DIR writes both")
    folders = collect_runs(paths)
    if not folders.runs:
        raise DataError("tables alone prove no item", "give run folders of the study")
    study = load_study(folders, label=label)
    rows = answer_items(study)
    arguments = {"paths": list(map(str, paths)), "label": label}
    summary = {**arguments, "label": study.label or None, "counts": _counts(rows), "items": rows}
    document = write_card(study) if card else write_datasheet(study) if datasheet else ""
    blocks: list[Block] = [Text(document.rstrip())] if document else _blocks(rows)
    if document:
        summary["document"] = document
    result = Result(summary, blocks, notes=folders.notes, folder=out, kind=KIND)
    if out is not None:
        _write(out, study, rows, summary, arguments=arguments, force=force)
    return result


def _counts(rows: Sequence[Mapping[str, str]]) -> dict[str, dict[str, int]]:
    return {
        guideline: {
            status: sum(row["guideline"] == guideline and row["status"] == status for row in rows)
            for status in STATUSES
        }
        for guideline in GUIDELINES
    }


def _write(
    out: Path,
    study: Study,
    rows: Sequence[Mapping[str, str]],
    summary: Mapping[str, Any],
    *,
    arguments: Mapping[str, Any],
    force: bool,
) -> None:
    documents = {TABLES: write_items(rows), CARD: write_card(study), DATASHEET: write_datasheet(study)}
    with runs.open_run(out, REPORTING, arguments=arguments, force=force, resume=None) as run:
        write_table(pd.DataFrame(rows), run.path(ITEMS))
        for name, text in documents.items():
            with atomic(run.path(name)) as temporary:
                temporary.write_text(text, encoding="utf-8")
        write_json(run.path(SUMMARY), summary)
        run.finish({"summary": summary})


def _blocks(rows: Sequence[Mapping[str, str]]) -> list[Block]:
    """Return what people see: counts, which items wait for a person, and with --verbose every item."""
    counts = [{"guideline": name, "items": sum(numbers.values()), **numbers} for name, numbers in _counts(rows).items()]
    columns = [Column("guideline", "guideline"), *(Column(name, name, "count") for name in ("items", *STATUSES))]
    items = {guideline: [_item(row) for row in rows if row["guideline"] == guideline] for guideline in GUIDELINES}
    blank = {
        guideline: [[", ".join(row["item"] for row in rows if (row["guideline"], row["status"]) == (guideline, BLANK))]]
        for guideline in GUIDELINES
    }
    title = "Items that files of the run folders prove; blank items wait for a person, and no count is a grade"
    waiting = {f"{guideline}, blank": numbers for guideline, numbers in blank.items() if numbers[0][0]}
    return [
        Table(columns, counts, title),
        *([Listing(waiting, DEFAULT)] if waiting else []),
        Listing(items, VERBOSE),
    ]


def _item(row: Mapping[str, str]) -> list[str]:
    proof = f" ({row['proof']})" if row["proof"] else ""
    return [row["item"], row["status"], row["topic"] + proof]
