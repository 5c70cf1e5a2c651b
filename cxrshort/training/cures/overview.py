"""Printed overview of a cure, or of a dry run of one."""

from collections.abc import Mapping
from typing import Any

from cxrshort import forecasts
from cxrshort.results import Block, Column, Result, Table, Text, count_text

_INTERVAL = 24
"""Characters of a difference with its interval."""


def cure_blocks(summary: Mapping[str, Any]) -> list[Block]:
    """Return AUCs before and after the cure, and what was changed.

    Args:
        summary: of one model, as run.json has it.
    """
    rows = [
        {
            **row,
            "before": _number(row["auc_before"]),
            "after": _number(row["auc_after"]),
            "change": _change(row),
            "cells_before": _pair(row, "before"),
            "cells_after": _pair(row, "after"),
        }
        for row in summary["effect"]
    ]
    columns = [
        Column("label", "label", folds=True),
        Column("images", "group"),
        Column("patients", "persons", "count"),
        Column("AUC before", "before", "count"),
        Column("after", "after", "count"),
        Column("difference", "change", least=_INTERVAL),
        Column("sensitivity / specificity before", "cells_before", "count"),
        Column("after", "cells_after", "count"),
    ]
    held_out = "patients of val whose labels the layer was not fitted to"
    table = Table(columns, rows, title=f"{summary['method']} on {held_out}", blocks=True)
    kind = "" if summary["head"] == "linear" else f" ({summary['head']})"
    return [table, Text(f"the last layer{kind} of {summary['changed']['model']} is changed, all else is as it was")]


def cure_forecast(summary: Mapping[str, Any]) -> Result:
    """Return what a dry run of a cure says.

    Args:
        summary: as :func:`cxrshort.training.cures.job.forecast_cures` returns it.
    """
    facts = [
        ("method", summary["method"]),
        ("architecture", summary["architecture"]),
        ("labels", ", ".join(summary["labels"])),
        ("images", count_text(summary["images"])),
        ("models", str(summary["runs"]) if summary["runs"] > 1 else ""),
    ]
    notes = ["the time is that of the features; fits on them take seconds to minutes more"]
    return forecasts.dry_run(summary, facts, notes=notes)


def _change(row: Mapping[str, Any]) -> str:
    """Return the difference with its interval, or that the patients are too few for one."""
    if row["difference"] is None:
        return "a class is missing"
    if row["low"] is None or row["caution"]:
        return f"{row['difference']:+.3f} (few patients)" if row["caution"] else f"{row['difference']:+.3f}"
    return f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _pair(row: Mapping[str, Any], when: str) -> str:
    values = [row[f"{name}_{when}"] for name in ("sensitivity", "specificity")]
    return " / ".join("-" if value is None else f"{value:.2f}" for value in values)
