"""Is the winner further ahead than the noise of the evaluation: leaderboards, or a grid of our own models."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Block, Column, Result, Table, interval_text
from cxrshort.stats.auc import auc_interval, check_level, compare_paired
from cxrshort.stats.midranks import Floats
from cxrshort.stats.noise import BEYOND, OVERFIT, SPLITS, TOP, WITHIN, EvaluationNoise, halves_noise, leaderboard_noise
from cxrshort.verbs.stats.compared_models import name_columns, p_text
from cxrshort.verbs.stats.corrections import check_correction, correct_rows, p_heading
from cxrshort.verbs.stats.grids import Grid, read_grids
from cxrshort.verbs.stats.output import Draw, check_figures, clean_record, write_result
from cxrshort.verbs.stats.scores import check_group_count
from cxrshort.verbs.stats.source import Source, open_sources

KIND = "stats-noise"
MOST_SHOWN = 30
"""Models that are printed without ``--verbose``."""
Row = dict[str, Any]
_VERDICTS = {
    WITHIN: "within noise: another test set may have another winner",
    BEYOND: "beyond noise: the winner is ahead",
    OVERFIT: "overfit: scores fell by more than the winner gap",
}


def noise(
    table: str | Path | None = None,
    second: str | Path | None = None,
    *,
    public: str = "public",
    private: str = "private",
    team: str = "team",
    by: str | None = None,
    lower_is_better: bool = False,
    grid: Path | None = None,
    label: str | None = None,
    person: str | None = None,
    splits: int = SPLITS,
    correction: str = "holm",
    level: float = 0.95,
    seed: int = 0,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Compare the noise of an evaluation with what its winner is ahead.

    Args:
        table: submissions with a public and a private score each, or the public leaderboard of two.
        second: the private leaderboard.
        public: the column of public scores.
        private: the column of private scores, in the second of two leaderboards.
        team: the column of teams, by which two leaderboards are joined.
        by: a column of challenges.
        lower_is_better: whether the scores are errors.
        grid: predictions of several models, or a folder below which they lie; instead of a table.
        label: one label of predictions; None for all.
        person: the column of persons of predictions.
        splits: random halves of the test set.
        correction: of the comparisons with the winner, one of :data:`~cxrshort.verbs.stats.corrections.CORRECTIONS`.
        level: coverage of the intervals.
        seed: of resamples and halves.
        out: a folder for noise.csv, models.csv, summary.json and run.json; None writes nothing.
        figures: draw noise.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: a table breaks a rule, or has fewer than two submissions or models.
        UsageError: neither a table nor a grid, or both; or one column for both scores.
    """
    check_figures(out, figures=figures)
    check_correction(correction)
    check_level(level)
    arguments: dict[str, Any] = {"table": None if table is None else str(table)}
    arguments |= {"second": None if second is None else str(second), "public": public, "private": private}
    arguments |= {"team": team, "by": by, "lower_is_better": lower_is_better}
    arguments |= {"grid": None if grid is None else str(grid), "label": label, "person": person, "splits": splits}
    arguments |= {"correction": correction, "level": level, "seed": seed}
    if (table is None) == (grid is None):
        raise UsageError("noise needs a table of submissions, or a grid of predictions", "TABLE, or --grid DIR")
    models: list[Row] = []
    if grid is not None:
        if by is not None:
            raise UsageError("--by groups submissions, and a grid has labels and test sets", "--label chooses one")
        sources, grids, notes = read_grids(grid, label=label, person=person)
        measured = [
            (
                part.facts,
                halves_noise(*part.table, rng=np.random.default_rng(seed), clusters=part.persons, splits=splits),
            )
            for part in grids
        ]
        models = [row for part in grids for row in _rank_models(part, correction=correction, level=level)]
        notes += ["the winner was chosen on these images: its AUC is likely to be lower on new ones"]
    else:
        sources, submissions, notes = _read(arguments)
        options: dict[str, Any] = {"lower_is_better": lower_is_better, "level": level}
        measured = [
            (facts, leaderboard_noise(*sides, rng=np.random.default_rng(seed), **options))
            for facts, sides in submissions
        ]
    rows = [_row(facts, estimate) for facts, estimate in measured]
    notes += list(dict.fromkeys(row["caution"] for row in rows if row["caution"]))
    summary = {**arguments, "noise": rows, "models": models}
    tables = {"noise.csv": rows, **({"models.csv": models} if models else {})}
    return write_result(
        Result(summary, _blocks(rows, models, arguments), notes=notes, kind=KIND),
        "stats noise",
        source=sources,
        arguments=arguments,
        out=out,
        tables=tables,
        draw=_drawing(measured, is_grid=grid is not None) if figures else None,
        force=force,
    )


Submissions = list[tuple[Mapping[str, Any], tuple[Floats, Floats]]]


def _read(arguments: Mapping[str, Any]) -> tuple[list[Source], Submissions, list[str]]:
    """Return the tables, the public and private scores of each challenge, and notes."""
    by, team = arguments["by"], arguments["team"]
    sources = open_sources(arguments["table"], arguments["second"])
    texts = [by] if by else []
    if len(sources) == 1:
        names = [arguments["public"], arguments["private"]]
        if names[0] == names[1]:
            raise UsageError(f"--public and --private both name '{names[0]}'", "name the scores on two test sets")
        rows = sources[0].read(numbers=names, texts=texts)
    else:
        names = ["public", "private"]
        columns = [arguments[name] for name in names]
        parts = [
            source.read(numbers=[column], texts=[team, *texts]) for source, column in zip(sources, columns, strict=True)
        ]
        for source, part in zip(sources, parts, strict=True):
            twice = part[part.duplicated([team, *texts])]
            if len(twice):
                raise DataError(
                    f"{source.name}: '{twice.iloc[0][team]}' stands twice ({len(twice)} rows too many)",
                    "keep one submission per team",
                )
        first, last = (
            part.rename(columns={column: name}) for part, column, name in zip(parts, columns, names, strict=True)
        )
        rows = pd.merge(first, last, on=[team, *texts], how="outer")
        if by:
            rows[by] = rows[by].fillna("")
    complete = rows[names].notna().all(axis=1)
    left_out = int((~complete).sum())
    notes = [f"{left_out:,} of {len(rows):,} submissions lack a score and are left out"] if left_out else []
    rows = rows[complete]
    parts_of = [("", rows)] if by is None else [(str(key) or "(empty)", part) for key, part in rows.groupby(by)]
    check_group_count(len(parts_of), by or "", sources[0].name)
    if not parts_of or min(len(part) for _, part in parts_of) < 2:
        few = next((key for key, part in parts_of if len(part) < 2), "")
        where = f"{by} '{few}' has" if by else "the table has"
        raise DataError(f"{sources[0].name}: {where} fewer than two submissions with both scores", "add submissions")
    facts = [({"group": key} if key else {}) for key, _ in parts_of]
    sides = [(part[names[0]].to_numpy(), part[names[1]].to_numpy()) for _, part in parts_of]
    return sources, list(zip(facts, sides, strict=True)), notes


def _row(facts: Mapping[str, Any], estimate: EvaluationNoise) -> Row:
    names = ("submissions", "shift", "shift_low", "shift_high", "noise", "noise_low", "noise_high")
    numbers = {name: getattr(estimate, name) for name in (*names, "best", "tenth", "gap", "verdict", "caution")}
    return clean_record({**facts, **numbers})


def _rank_models(grid: Grid, *, correction: str, level: float) -> list[Row]:
    """Return the models of a grid, the best first, each compared with it on the same images."""
    targets, scores = grid.table
    intervals = [auc_interval(targets, column, grid.persons, level=level) for column in scores.T]
    order = sorted(range(len(intervals)), key=lambda place: -(intervals[place].auc or 0.0))
    winner = scores[:, order[0]]
    rows = []
    for rank, place in enumerate(order, start=1):
        interval = intervals[place]
        own = {"auc": interval.auc, "auc_low": interval.low, "auc_high": interval.high}
        row: Row = {**grid.facts, "rank": rank, "model": grid.models[place], **own}
        behind = None
        if rank > 1:
            behind = compare_paired(targets, before=scores[:, place], after=winner, clusters=grid.persons, level=level)
        for name, field in (("behind", "difference"), ("low", "low"), ("high", "high"), ("p", "p_value")):
            row[name] = None if behind is None else getattr(behind, field)
        doubts = {name: "" if behind is None else getattr(behind, name) for name in ("reason", "caution")}
        rows.append({**row, **doubts})
    ranked = correct_rows(rows, correction)
    return [clean_record({**row, "finding": _finding(row, level)}) for row in ranked]


def _finding(row: Row, level: float) -> str:
    if row["rank"] == 1:
        return "winner"
    if row["p"] is None:
        return "not testable"
    return WITHIN if row["p_adjusted"] > 1 - level else "behind"


def _blocks(rows: Sequence[Row], models: Sequence[Row], arguments: Mapping[str, Any]) -> list[Block]:
    """Return what people see."""
    is_grid = bool(models)
    columns = [
        *name_columns(rows, arguments["by"]),
        Column("models" if is_grid else "submissions", "submissions", "count"),
        Column("noise", "noise_text", least=20),
        Column("winner gap", "gap_text"),
        Column(f"best, {TOP} %", "scores", least=14),
        *([] if is_grid else [Column("shift", "shift_text", least=22)]),
        Column("verdict", "verdict_text", least=22),
    ]
    shown = [
        {
            **row,
            **({"role": row["role"] or "unknown"} if "role" in row else {}),
            "noise_text": f"±{row['noise']:.3g}" + _limits(row, "noise"),
            "gap_text": f"{row['gap']:.3g}",
            "scores": f"{row['best']:.4g}, {row['tenth']:.4g}",
            "shift_text": f"{row['shift']:.3g}" + _limits(row, "shift"),
            "verdict_text": _VERDICTS[row["verdict"]],
            "caution": "",
        }
        for row in rows
    ]
    level = 100 * arguments["level"]
    title = (
        f"noise: by how much AUCs differ between two test sets like this one (5th to 95th percentile, from "
        f"{arguments['splits']} random halves by person)"
        if is_grid
        else f"noise: half the 5th to 95th percentile of private minus public scores; {level:g} % intervals"
    )
    blocks: list[Block] = [Table(columns, shown, title, blocks=True)]
    if is_grid:
        blocks += _model_tables(models, arguments)
    return blocks


def _limits(row: Row, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None else f" [{low:.3g}, {high:.3g}]"


def _model_tables(models: Sequence[Row], arguments: Mapping[str, Any]) -> list[Block]:
    adjusted = p_heading(models, arguments["correction"])
    columns = [
        *name_columns(models, None),
        Column("rank", "rank", "count"),
        Column("model", "model"),
        Column("AUC", "auc_text", least=22),
        Column("behind the winner", "behind_text", least=24),
        Column("P", "p_text", least=8),
        *([Column(adjusted, "adjusted", least=8)] if adjusted else []),
        Column("finding", "finding", least=12),
        *([Column("remark", "reason")] if any(row["reason"] or row["caution"] for row in models) else []),
    ]
    shown = [
        {
            **row,
            **({"role": row["role"] or "unknown"} if "role" in row else {}),
            "auc_text": _text(row["auc"], row["auc_low"], row["auc_high"]),
            "behind_text": "" if row["rank"] == 1 else _text(row["behind"], row["low"], row["high"]),
            "p_text": p_text(row["p"]),
            "adjusted": p_text(row["p_adjusted"]),
            "reason": row["reason"] or row["caution"],
        }
        for row in models
    ]
    title = "each model against the winner on the same images"
    if len(shown) <= MOST_SHOWN:
        return [Table(columns, shown, title, blocks=True)]
    first = f"{title}; the first {MOST_SHOWN} of {len(shown):,}, --verbose prints all"
    return [
        Table(columns, shown[:MOST_SHOWN], first, ("quiet", "usual"), blocks=True),
        Table(columns, shown, title, ("verbose",), blocks=True),
    ]


def _text(value: float | None, low: float | None, high: float | None) -> str:
    return "none" if value is None or low is None or high is None else interval_text(value, low, high)


def _drawing(measured: Sequence[tuple[Mapping[str, Any], EvaluationNoise]], *, is_grid: bool) -> Draw:
    """Return what draws the noise beside the winner gap."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.noise import NoiseRow, draw_noise

        rows = [
            NoiseRow(
                " on ".join(str(facts[name]) for name in ("label", "dataset", "group") if facts.get(name)) or "all",
                estimate.differences,
                estimate.noise,
                estimate.gap,
                estimate.verdict,
            )
            for facts, estimate in measured
        ]
        measure = "difference of AUCs between two test sets" if is_grid else "private minus public score"
        return [draw_noise(rows, path("noise.png"), measure=measure)]

    return draw
