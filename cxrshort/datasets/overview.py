"""Printed overview of a dataset that was built, or of a dry run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import forecasts, tables
from cxrshort.dataset import EXCLUDED
from cxrshort.datasets.repositories import folder as own_folder
from cxrshort.quantities import quantity
from cxrshort.results import (
    BRIEF,
    DEFAULT,
    UNLESS_QUIET,
    VERBOSE,
    Block,
    Result,
    Text,
    count_text,
    text_table,
)
from cxrshort.stats.characteristics import characteristics_header, characteristics_rows, labels_without_values
from cxrshort.stats.confounding import CONFOUNDING_HEADER, confounding_rows, list_unmeasured

_WORST = 12
"""Measurements of confounding that are printed; nobody reads a hundred."""
_INTERVAL = 22
"""Characters of a number with its interval, such as -0.123 [-0.456, 0.789]."""


def dataset_result(summary: Mapping[str, Any], folder: Path, *, figures: Sequence[Path] = ()) -> Result:
    """Return what build-dataset made: tables that describe it, then the accounting that nobody should overlook.

    Args:
        summary: as run.json has it.
        folder: the dataset folder.
        figures: those that were drawn.
    """
    shown: list[Block] = []
    if "characteristics" in summary:
        shown += _characteristics(_headed(pd.DataFrame(summary["characteristics"]), summary["name"]))
        shown += _confounding(pd.DataFrame(summary["confounding"]))
    shown += [*_accounting(summary), *planting_texts(summary)]
    if published := summary["published"]:
        paper = " of ".join(f"{count:,} {name}" for name, count in published.items())
        counted = f"{quantity(summary['rows'], 'image')} of {quantity(summary['patients'], 'patient')}"
        shown.append(Text(f"the paper counts {paper}; this dataset has {counted}"))
    if summary["excluded"]:
        shown += _exclusions(summary, folder / EXCLUDED)
    return Result(summary, shown, figures, summary["notes"], folder, kind="dataset")


def _accounting(summary: Mapping[str, Any]) -> list[Block]:
    excluded = sum(summary["excluded"].values())
    name, counts = next(iter(summary["splits"].items()))
    lines = [
        f"candidates {summary['candidates']} = rows {summary['rows']} + excluded {excluded}",
        f"{len(summary['splits'])} splits by person; {name}: {count_text(counts)}",
    ]
    if summary["patients"] != summary["people"]:
        joined = quantity(len(summary["same_films"]), "pair of images shows one film", "pairs of images show one film")
        lines.append(f"{summary['patients']} patient ids are {summary['people']} persons: {joined}")
    return [Text("\n".join(lines))]


def planting_texts(summary: Mapping[str, Any]) -> list[Text]:
    """Return what was planted in a phantom dataset; nothing for any other."""
    return [Text(text, folded=True) for text in summary.get("planted", {}).get("summary", ())]


def _headed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the table with a folder of one's own under the dataset's name: that it is a folder says nothing."""
    return table.assign(repository=table["repository"].replace(own_folder.NAME, name))


def _characteristics(table: pd.DataFrame) -> list[Block]:
    header, rows = characteristics_header(table), characteristics_rows(table)
    right = range(1, len(header))
    # An empty label shows as a dash; how many are empty stands in characteristics.csv.
    labelled_rows = [row for row in rows if not row[0].endswith(" not labelled")]
    shown: list[Block] = [
        text_table(header, labelled_rows, counts=right, shown=DEFAULT, blocks=True),
        text_table(header, rows, counts=right, shown=VERBOSE, blocks=True),
    ]
    if empty := labels_without_values(table):
        text = f"{quantity(len(empty), 'label')} without values: {', '.join(empty)}"
        shown += [Text(text, folded=True, shown=UNLESS_QUIET), Text("", shown=UNLESS_QUIET)]
    return shown


def _confounding(table: pd.DataFrame) -> list[Block]:
    rows, shown = confounding_rows(table), list[Block]()
    if rows:
        least = {2: _INTERVAL - 2}
        shown = [*_worst(rows), text_table(CONFOUNDING_HEADER, rows, counts=(3,), least=least, shown=VERBOSE)]
    if unmeasured := list_unmeasured(table):
        shown.append(Text(unmeasured, folded=True, shown=UNLESS_QUIET))
    return [*shown, Text("", shown=UNLESS_QUIET)]


def _worst(rows: Sequence[Sequence[str]]) -> list[Block]:
    """Return the strongest confounding; a caution says how few persons it rests on, and no more than that."""
    cells = []
    for label, column, value, _, verdict in rows[:_WORST]:
        bare, caution, persons = verdict.partition(" (only ")
        cells.append([label, column, value, f"{bare}{caution}{persons.partition(' in ')[0]})" if caution else bare])
    header = ["label", "predicted by", "AUC", "verdict"]
    shown: list[Block] = [text_table(header, cells, least={2: _INTERVAL}, shown=DEFAULT)]
    if len(rows) > _WORST:
        remark = f"the worst {_WORST} of {len(rows)}; all are in confounding.csv, and --verbose prints them"
        shown.append(Text(remark, shown=DEFAULT))
    return shown


def _exclusions(summary: Mapping[str, Any], path: Path) -> list[Block]:
    reasons = [[reason, count] for reason, count in summary["excluded"].items()]
    brief = text_table(["excluded because", "images"], reasons, counts=(1,), shown=BRIEF)
    if not path.is_file():
        return [brief]
    table, _ = tables.read_table(path, ("reason", "detail"))
    numbers = Counter(zip(table["reason"], table["detail"], strict=True))
    details = [
        [*reason_and_detail, count]
        for reason_and_detail, count in sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    full_table = text_table(["excluded because", "detail", "images"], details, counts=(2,), shown=VERBOSE)
    return [brief, full_table]


def shard_result(summary: Mapping[str, Any], folder: Path) -> Result:
    """Return what one shard of a build made.

    Args:
        summary: ``shard``, ``images`` and ``refused``, reason to count.
        folder: the shard's own.
    """
    refused = f", refused {count_text(summary['refused'])}" if summary["refused"] else ""
    line = f"shard {summary['shard']}: {summary['images']} images{refused}"
    return Result(summary, (Text(line),), folder=folder, kind="shard")


def build_forecast(summary: Mapping[str, Any]) -> Result:
    """Return what a dry run of build-dataset says.

    Args:
        summary: as :func:`cxrshort.forecasts.dry_run` takes it, with ``dataset``, ``candidates``, ``rows``,
            ``excluded``, ``images_to_make``, ``size`` and ``notes``.
    """
    left_out = sum(summary["excluded"].values())
    facts = [
        ("dataset", summary["dataset"]),
        ("candidates", f"{summary['candidates']:,} = {summary['rows']:,} rows + {left_out:,} excluded"),
        *(("excluded", f"{count:,} {reason}") for reason, count in summary["excluded"].items()),
        ("images to make", f"{summary['images_to_make']:,}, {summary['size']} x {summary['size']} pixels"),
    ]
    return forecasts.dry_run(summary, facts, notes=summary["notes"], texts=planting_texts(summary))
