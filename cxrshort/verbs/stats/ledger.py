"""Is the data sound: how often each test fold was scored, what that does to p-values, what was registered before."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Block, Column, Result, Table, Text
from cxrshort.stats.auc import auc_covariance, auc_interval, check_level
from cxrshort.stats.selection import best_of_models, false_finding, spent_level
from cxrshort.verbs.stats import registrations as sealed
from cxrshort.verbs.stats.output import check_figures, clean_record, write_result
from cxrshort.verbs.stats.run_folders import find_runs
from cxrshort.verbs.stats.scorings import TestFold, iterate_scorings, join_scores, read_test_folds, title_fold

KIND = "stats-ledger"
_TIME = "%Y-%m-%d %H:%M"


def ledger(
    folders: Sequence[Path],
    *,
    register: Path | None = None,
    label: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Count the scorings of each test fold below some folders, and compare them with what was registered.

    Args:
        folders: searched for run folders; the first one holds the ledger of registrations.
        register: a file to be sealed now.
        label: whose AUCs are compared; None for the label that each evaluation summarised.
        level: 1 minus the level of all tests together.
        seed: of the draws behind the expected optimism.
        out: a folder for folds.csv, scorings.csv, registrations.csv, summary.json and run.json.
        figures: draw ledger.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: the ledger of registrations is damaged.
        MissingInputError: a folder or the file to be registered is not there, or no run lies below the folders.
        UsageError: a level out of range, or the file is registered already.
    """
    check_figures(out, figures=figures)
    check_level(level)
    if not folders:
        raise UsageError("no folder to search", "give a folder of runs, such as results")
    runs, notes = find_runs(folders)
    folds, unread = read_test_folds(runs, label=label)
    scorings = list(iterate_scorings(folds))
    if register is not None:
        sealed.register(register, folders[0], scorings=len(scorings))
    times = [scoring.time for scoring in scorings]
    entries = _registrations(folders[0], times)
    rng = np.random.default_rng(seed)
    rows = [_describe_fold(fold, entries, alpha=1 - level, rng=rng) for fold in folds]
    arguments = {"folders": list(map(str, folders)), "register": str(register) if register else None}
    arguments_all: dict[str, Any] = {**arguments, "label": label, "level": level, "seed": seed}
    summary = {**arguments_all, "scorings": len(scorings), "folds": rows, "registrations": entries}
    listed = [_describe_scoring(scoring) for scoring in scorings]
    result = Result(summary, _blocks(rows, entries, 1 - level), notes=[*notes, *unread, *_notes(rows)], kind=KIND)
    written = {"folds.csv": rows, "scorings.csv": listed, "registrations.csv": entries}
    return write_result(
        result,
        "stats ledger",
        source=None,
        arguments=arguments_all,
        out=out,
        tables={name: part for name, part in written.items() if part},
        draw=_drawing(folds, entries) if figures and folds else None,
        force=force,
    )


def _registrations(folder: Path, times: Sequence[datetime]) -> list[dict[str, Any]]:
    """Return each registration with the state of its file and the scorings before and after it."""
    entries = sealed.read_registrations(folder)
    rows = []
    for entry, state in zip(entries, sealed.states(entries, folder), strict=True):
        before = sum(time <= entry.moment for time in times)
        gone = max(entry.scorings - before, 0)
        kept = state == sealed.UNCHANGED
        rows.append(
            {
                "file": entry.file,
                "time": entry.time,
                "sha256": entry.sha256,
                "seal": entry.seal,
                "state": state,
                "scorings_before": before + gone,
                "scorings_after": len(times) - before,
                "scorings_gone": gone,
                "status": sealed.CONFIRMATORY if kept and not before and not gone else sealed.EXPLORATORY,
                "why": _why(state, before, gone),
            }
        )
    return rows


def _why(state: str, before: int, gone: int) -> str:
    reasons = [] if state == sealed.UNCHANGED else [f"the file is {state}" if state != sealed.BROKEN else state]
    if before:
        reasons.append(f"{before:,} scorings came before")
    if gone:
        reasons.append(f"{gone:,} scorings that were counted then are gone")
    return "; ".join(reasons)


def _describe_fold(
    fold: TestFold, entries: Sequence[Mapping[str, Any]], *, alpha: float, rng: np.random.Generator
) -> dict[str, Any]:
    looks, models = len(fold.scorings), fold.models
    first = fold.scorings[0].time
    valid = [entry["time"] for entry in entries if entry["state"] == sealed.UNCHANGED]
    before = [time for time in valid if datetime.fromisoformat(time) < first]
    return clean_record(
        {
            "dataset": fold.dataset,
            "dataset_id": fold.dataset_id,
            "replicate": fold.replicate,
            "scorings": looks,
            "models": models,
            "trainings": fold.trainings,
            "first": first.isoformat(),
            "last": fold.scorings[-1].time.isoformat(),
            "bonferroni_level": alpha / models,
            "next_level": spent_level(alpha, looks + 1),
            "false_finding": false_finding(alpha, models),
            **_optimism(fold, rng, 1 - alpha),
            "registered": min(before) if before else None,
        }
    )


def _optimism(fold: TestFold, rng: np.random.Generator, level: float) -> dict[str, Any]:
    """Return the best AUC and by how much it is expected to flatter, or why nobody can say."""
    unknown: dict[str, Any] = dict.fromkeys(
        ("images", "best_auc", "best_low", "best_high", "optimism", "optimism_at_most", "correlation", "corrected_auc")
    )
    facts = {"label": fold.label, "compared": len(fold.scores)}
    scores = join_scores(fold)
    if scores is None:
        reason = "no scores of this label" if not fold.scores else "no image that all models were scored on"
        return {**facts, **unknown, "reason": reason}
    targets, logits, persons = scores
    try:
        aucs, covariance = auc_covariance(targets, logits, persons)
    except DataError as error:
        return {**facts, **unknown, "reason": error.message}
    best = best_of_models(aucs, covariance, rng=rng)
    interval = auc_interval(targets, logits[:, int(aucs.argmax())], persons, level=level)
    numbers = {
        "images": len(targets),
        "best_auc": best.best,
        "best_low": interval.low,
        "best_high": interval.high,
        "optimism": best.expected,
        "optimism_at_most": best.at_most,
        "correlation": best.correlation,
        "corrected_auc": best.best - best.expected,
    }
    return {**facts, **numbers, "reason": ""}


def _describe_scoring(scoring: Any) -> dict[str, Any]:
    names = ("run", "verb", "model_id", "training_id", "dataset", "dataset_id", "replicate")
    return {"time": scoring.time.isoformat(), **{name: getattr(scoring, name) for name in names}}


def _notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = ["runs that were deleted or overwritten are not seen, and count all the same"]
    if not rows:
        notes.insert(0, "no test fold has been scored")
    return notes


def _blocks(rows: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]], alpha: float) -> list[Block]:
    blocks: list[Block] = []
    if rows:
        heads = [
            Column("test fold", "fold", least=12),
            Column("scorings", "scorings", "count"),
            Column("models", "models", "count"),
            Column("p below", "bonferroni", "count", least=7),
            Column("next p", "next", "count", least=6),
            Column("optimism", "flatters", least=11),
            Column("sealed", "before", least=6),
        ]
        title = (
            f"p below: {alpha:g} over all models (Bonferroni); next p: what alpha spending leaves for a next scoring; "
            "optimism: by how much the best AUC flatters; sealed: whether a registration came before"
        )
        blocks.append(Table(heads, [_shown(row) for row in rows], title, blocks=True))
        reasons = {row["reason"] for row in rows if row["reason"] and row["models"] > 1}
        blocks += [Text(f"no optimism: {reason}", folded=True, indent="  ") for reason in sorted(reasons)]
    if entries:
        heads = [
            Column("registered", "file", least=12),
            Column("time (UTC)", "shown_time", least=16),
            Column("scorings before", "scorings_before", "count"),
            Column("after", "scorings_after", "count"),
            Column("file", "state", least=9),
            Column("status", "status", least=12),
        ]
        blocks.append(Table(heads, [{**entry, "shown_time": _short(entry["time"])} for entry in entries]))
        blocks += [
            Text(f"{entry['file']}: {entry['status']}: {entry['why']}", folded=True, indent="  ")
            for entry in entries
            if entry["why"]
        ]
        blocks.append(Text(f"seal of the last registration: {entries[-1]['seal']}"))
    return blocks


def _short(time: str) -> str:
    return datetime.fromisoformat(time).astimezone(UTC).strftime(_TIME)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    optimism, most = row["optimism"], row["optimism_at_most"]
    chosen = optimism is not None and row["compared"] > 1
    return {
        **row,
        "fold": title_fold(row["dataset"], row["replicate"]),
        "bonferroni": f"{row['bonferroni_level']:.3g}",
        "next": f"{row['next_level']:.2g}",
        "flatters": f"{optimism:.3f}-{most:.3f}" if chosen else "",
        "before": "yes" if row["registered"] else "no",
    }


def _drawing(folds: Sequence[TestFold], entries: Sequence[Mapping[str, Any]]) -> Any:
    """Return what draws the scorings of each fold over time, and the registrations."""

    def draw(path: Any) -> list[Path]:
        from cxrshort.figures.timelines import Timeline, draw_timelines

        lines = []
        for fold in folds:
            name = f"{title_fold(fold.dataset, fold.replicate)}: {fold.models} models"
            lines.append(Timeline(name, [(scoring.time, scoring.verb) for scoring in fold.scorings]))
        moments = [(datetime.fromisoformat(entry["time"]), str(entry["file"])) for entry in entries]
        return [draw_timelines(lines, path("ledger.png"), marks=moments)]

    return draw
