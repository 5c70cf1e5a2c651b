"""Printed overview of a distillation, of a series of them, or of a dry run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cxrshort.results import Block, Column, Result, Table
from cxrshort.training.overview import training_forecast, training_result
from cxrshort.training.teaching import AGREEMENT


def distillation_result(summary: Mapping[str, Any]) -> Result:
    """Return how closely a student follows its teacher, and what it reached on the validation fold.

    Args:
        summary: of one student, as run.json has it, or of ``replicates``; an empty one in all processes but the first.
    """
    result = training_result(summary)
    if not summary:
        return result
    runs = summary.get("replicates", [summary])
    folders = [Path(summary.get("folder", "")) / Path(run["model"]).parent.name for run in runs]
    if "replicates" not in summary:
        folders = [Path(summary["model"]).parent]
    figures = [*result.figures, *(path for folder in folders if (path := folder / AGREEMENT).is_file())]
    blocks: list[Block] = [*result.tables, *(_comparison(run, several=len(runs) > 1) for run in runs)]
    notes = [*result.notes, *_notes(runs)]
    return replace(result, tables=blocks, figures=figures, notes=notes)


def distillation_forecast(plan: Mapping[str, Any], teacher: str) -> Result:
    """Return what a dry run of a distillation says.

    Args:
        plan: as :func:`cxrshort.training.job.forecast_jobs` returns it.
        teacher: its name.
    """
    return training_forecast({**plan, "teacher": teacher})


def _comparison(run: Mapping[str, Any], *, several: bool) -> Table:
    """Return student and teacher side by side: validation score, size and speed in use."""
    best, used = run["distillation"], run["in_use"]
    scores = {"student": run["selection"]["score"], "teacher": best.get("teacher_score")}
    rows = [
        {
            "network": name,
            "score": "" if scores[name] is None else f"{scores[name]:.3f}",
            "parameters": f"{used[name]['parameters']:,}",
            "speed": f"{used[name]['images_per_second']:,g}",
        }
        for name in ("student", "teacher")
    ]
    columns = [
        Column("", "network"),
        Column(f"validation {run['selection']['measure']}", "score", "count"),
        Column("parameters", "parameters", "count"),
        Column("images/s", "speed", "count"),
    ]
    title = f"the logits of student and teacher correlate at {best['logit_correlation']:.3f}"
    if several:
        title = f"replicate {run['replicate']}: {title}"
    return Table(columns, rows, title)


def _notes(runs: Any) -> list[str]:
    """Return what a reader must know of the students."""
    notes = []
    for run in runs:
        prefix = f"replicate {run['replicate']}: " if len(runs) > 1 else ""
        if skipped := run["distillation"]["images_skipped"]:
            notes.append(
                f"{prefix}images that were not compared, since a map was 0 everywhere: {skipped:,} over all steps"
            )
        if not run["teacher"]["patients_known"]:
            notes.append(
                f"{prefix}the teacher does not say whom it was trained on, so patients of the test fold may be among "
                "them; trained-on=DATASET behind its name says it"
            )
        if "output_bias_shift" in run:
            notes.append(
                f"{prefix}the output bias was fitted to the teacher's mean logits: the student learned from more than "
                "explanations"
            )
    return notes
