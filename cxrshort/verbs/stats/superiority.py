"""Is the improvement larger than a margin, given the variance over seeds, splits and test images."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Block, Column, Result, Table
from cxrshort.stats.auc import check_level
from cxrshort.stats.superiority import MEANINGFUL, chance_better, improvement, runs_needed
from cxrshort.stats.variance_sources import IMAGES, RESIDUAL, SEEDS, SPLITS, variance_sources
from cxrshort.verbs.stats.compared_models import name_columns, p_text
from cxrshort.verbs.stats.corrections import check_correction, correct_rows, p_heading
from cxrshort.verbs.stats.output import Draw, check_figures, check_intervals, clean_record, write_result
from cxrshort.verbs.stats.paired_runs import PairedRuns, read_runs, runs_of_contest
from cxrshort.verbs.stats.pairs import Contest, read_pairs
from cxrshort.verbs.stats.source import Source, open_source

KIND = "stats-superiority"
Row = dict[str, Any]
_FACTS = ("label", "dataset", "dataset_id", "role", "group")


def superiority(
    table: str | Path,
    second: str | Path | None = None,
    *,
    margin: float | None = None,
    target: str | None = None,
    score: str | None = None,
    before: str | None = None,
    after: str | None = None,
    image: str | None = None,
    person: str | None = None,
    label: str | None = None,
    value: str | None = None,
    group: str | None = None,
    seed_column: str | None = None,
    split_column: str | None = None,
    by: str | None = None,
    test_to_train: float = 0.0,
    correction: str = "holm",
    level: float = 0.95,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Test whether the second method is better by more than a margin, and no worse by more than it.

    Args:
        table: predictions, any CSV or Parquet table, or ``-`` for standard input.
        second: another table of the same images.
        margin: the smallest difference that matters, chosen beforehand.
        target: the column of targets, 0 or 1; None for the labels of predictions.
        score: the column of scores in both of two tables.
        before: the first method: a training, a column of scores, or a value of ``group``.
        after: the second method.
        image: the column by which two tables are joined.
        person: the column that says whose image a row is.
        label: one label of predictions; None for all.
        value: the column of one number per run, in place of scores.
        group: the column of methods, with ``value``.
        seed_column: the column of seeds, with ``value``.
        split_column: the column of splits, with ``value``.
        by: a column whose values are tested apart, with ``value``.
        test_to_train: test images over training images, where splits are of one dataset; 0 ignores their overlap.
        correction: one of :data:`~cxrshort.verbs.stats.corrections.CORRECTIONS`.
        level: coverage of the intervals; each one-sided test has (1 - level) / 2.
        out: a folder for improvements.csv, variances.csv, summary.json and run.json; None writes nothing.
        figures: draw superiority.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: a table breaks a rule, or nothing can be tested.
        UsageError: no margin, options that exclude each other, or a number out of range.
    """
    check_figures(out, figures=figures)
    check_correction(correction)
    check_level(level)
    if margin is None:
        raise UsageError(
            "a test of superiority needs a margin, the smallest difference that matters", "--margin 0.01, for instance"
        )
    if not 0 <= margin < 1e300:
        raise UsageError(f'margin "{margin:g}" must not be negative', "try 0.01")
    if not 0 <= test_to_train < 1e300:
        raise UsageError(f'ratio "{test_to_train:g}" of test to training images must not be negative', "try 0.25")
    arguments: dict[str, Any] = {"table": str(table), "second": None if second is None else str(second)}
    arguments |= {"margin": margin, "target": target, "score": score, "before": before, "after": after}
    arguments |= {"image": image, "person": person, "label": label, "value": value, "group": group}
    arguments |= {"seed_column": seed_column, "split_column": split_column, "by": by}
    arguments |= {"test_to_train": test_to_train, "correction": correction, "level": level}
    sources, names, measured, notes = _read(arguments)
    settings = {"margin": margin, "level": level, "test_to_train": test_to_train}
    tested = [_test(facts, runs, **settings) for facts, runs in measured]
    rows = _correct([row for row, _ in tested], correction, level)
    check_intervals(rows, "low", measure="improvement", table=sources[0].name)
    variances = [variance for _, parts in tested for variance in parts]
    notes += _notes(rows)
    blocks = _blocks(rows, variances, by=by, names=names, arguments=arguments)
    summary = {**arguments, "names": list(names), "improvements": rows, "variances": variances}
    return write_result(
        Result(summary, blocks, notes=notes, kind=KIND),
        "stats superiority",
        source=sources,
        arguments=arguments,
        out=out,
        tables={"improvements.csv": rows, "variances.csv": variances},
        draw=_drawing(rows, f"{value or 'AUC'}, after minus before; grey line: margin", margin) if figures else None,
        force=force,
    )


Measured = list[tuple[Mapping[str, Any], PairedRuns | DataError]]


def _read(arguments: Mapping[str, Any]) -> tuple[tuple[Source, ...], tuple[str, str], Measured, list[str]]:
    """Return the tables, the names of the methods, the runs of each label and test set, and notes."""
    of_runs = {name: arguments[name] for name in ("value", "group", "seed_column", "split_column", "by")}
    of_images = {name: arguments[name] for name in ("second", "target", "score", "image", "person", "label")}
    methods = {name: arguments[name] for name in ("before", "after")}
    if of_runs["value"] is None:
        if wrong := [name for name, value in of_runs.items() if value is not None]:
            option = "--" + wrong[0].replace("_", "-")
            raise UsageError(f"{option} belongs to --value, a column of one number per run", "--value COLUMN")
        pairs = read_pairs(arguments["table"], **of_images, **methods)
        measured: Measured = [(contest.facts, _runs(contest)) for contest in pairs.contests]
        return pairs.sources, pairs.names, measured, pairs.notes
    if of_runs["group"] is None:
        raise UsageError("--group is missing: --value and --group name two columns", "--group COLUMN")
    if wrong := [name for name, value in of_images.items() if value is not None]:
        raise UsageError(f"--value compares numbers of runs, and '{wrong[0]}' is of images", "leave it out")
    source = open_source(arguments["table"])
    names, runs = read_runs(
        source,
        value=of_runs["value"],
        group=of_runs["group"],
        seed=of_runs["seed_column"],
        split=of_runs["split_column"],
        by=of_runs["by"],
        **methods,
    )
    notes = ["the variance from test images is not counted where splits share them: give predictions for that"]
    return (source,), names, [(run.facts, run) for run in runs], notes


def _runs(contest: Contest) -> PairedRuns | DataError:
    try:
        return runs_of_contest(contest)
    except DataError as error:
        return error


def _test(
    facts: Mapping[str, Any], runs: PairedRuns | DataError, *, margin: float, level: float, test_to_train: float
) -> tuple[Row, list[Row]]:
    """Return the row of one label and test set, and those of its sources of variance."""
    names = {name: facts[name] for name in _FACTS if name in facts}
    if isinstance(runs, DataError):
        return {**names, **_EMPTY, "p": None, "reason": runs.message}, []
    seeds, splits = runs.before.shape
    counts = {**names, **runs.counts, "seeds": seeds, "splits": splits}
    chance = chance_better(runs.before.ravel(), runs.after.ravel(), level=level)
    means = {"before": float(runs.before.mean()), "after": float(runs.after.mean())}
    wins = {
        "chance": chance.chance.value,
        "chance_low": chance.chance.low,
        "chance_high": chance.chance.high,
        "runs": chance.pairs,
        "ties": chance.ties,
        "chance_verdict": chance.verdict,
    }
    try:
        gain = improvement(
            runs.after - runs.before,
            margin=margin,
            images=runs.images,
            image_freedom=runs.image_freedom,
            test_to_train=test_to_train,
            level=level,
        )
    except DataError as error:
        return {**counts, **_EMPTY, **means, **wins, "p": None, "reason": error.message}, []
    if runs.images_of_run is not None:  # of predictions, whose scores are AUCs
        gain = gain.within(1.0)
    tests = {
        name: getattr(gain.tests, name)
        for name in ("difference", "standard_error", "low", "high", "p_not_inferior", "p_equivalent", "verdict")
    }
    row = {**counts, **means, **tests, "p": gain.tests.p_superior, "freedom": gain.parts.freedom, **wins}
    sources = variance_sources(
        gain.parts, seeds=seeds, splits=splits, test_to_train=test_to_train, images_of_run=runs.images_of_run
    )
    variances = [
        {
            **names,
            **clean_record({field: getattr(source, field) for field in ("name", "variance", "of_mean", "share")}),
            "remark": source.remark,
        }
        for source in sources
    ]
    return {**row, "caution": gain.caution, "reason": ""}, variances


_EMPTY: Row = dict.fromkeys(
    ("difference", "standard_error", "low", "high", "p_not_inferior", "p_equivalent", "chance", "freedom")
) | {"verdict": "not testable", "caution": ""}


def _correct(rows: Sequence[Row], correction: str, level: float) -> list[Row]:
    """Return rows with corrected p-values of superiority, and verdicts that heed them."""
    corrected = []
    for row in correct_rows(rows, correction):
        p, adjusted = row["p"], row["p_adjusted"]
        if p is not None and p <= (1 - level) / 2 < adjusted:
            row["verdict"] += f"; after correction for {row['tests']} tests not shown"
        row["p_superior"] = row.pop("p")
        corrected.append(clean_record(row))
    return corrected


def _notes(rows: Sequence[Row]) -> list[str]:
    notes = list(dict.fromkeys(row["caution"] for row in rows if row["caution"]))
    counts = [row["runs"] for row in rows if row.get("runs")]
    if counts and min(counts) < runs_needed():
        notes.append(
            f"P(after > before) of {MEANINGFUL:g} is shown by {runs_needed()} paired runs with a power of 95 %; there "
            f"are {min(counts)}"
        )
    return notes


def _blocks(
    rows: Sequence[Row],
    variances: Sequence[Row],
    *,
    by: str | None,
    names: tuple[str, str],
    arguments: Mapping[str, Any],
) -> list[Block]:
    """Return what people see."""
    of = name_columns(rows, by)
    adjusted = p_heading(rows, arguments["correction"])
    has_images = any("positives" in row for row in rows)
    columns = [
        *of,
        *([Column("pos.", "positives", "count"), Column("neg.", "negatives", "count")] if has_images else []),
        Column("seeds", "seeds", "count"),
        Column("splits", "splits", "count"),
        Column("improvement", "difference", "interval", least=24),
        Column("verdict", "verdict", least=28),
        Column("P, superior", "superior", least=8),
        *([Column(adjusted, "adjusted", least=8)] if adjusted else []),
        Column("P, not inferior", "not_inferior", least=8),
        Column("P, equivalent", "equivalent", least=8),
    ]
    shown = [
        {
            **{"positives": "", "negatives": "", "seeds": "", "splits": ""},
            **row,
            "caution": "",  # a note says it once for all rows
            **({"role": row["role"] or "unknown"} if "role" in row else {}),
            "superior": p_text(row["p_superior"]),
            "adjusted": p_text(row["p_adjusted"]),
            "not_inferior": p_text(row["p_not_inferior"]),
            "equivalent": p_text(row["p_equivalent"]),
        }
        for row in rows
    ]
    level = arguments["level"]
    measure = arguments["value"] or "AUC"
    title = (
        f"{measure}: {names[1]} minus {names[0]}, {100 * level:g} % interval, margin {arguments['margin']:g}; "
        f"one-sided tests at {(1 - level) / 2:g}"
    )
    blocks: list[Block] = [Table(columns, shown, title, blocks=True)]
    if variances:
        blocks.append(_variance_table(variances, by))
    if any(row["chance"] is not None for row in rows):
        blocks.append(_chance_table(rows, of, level))
    return blocks


def _variance_table(variances: Sequence[Row], by: str | None) -> Table:
    """Return a line for each label and test set, with a column for each source."""
    sources = [name for name in (SEEDS, SPLITS, RESIDUAL, IMAGES) if any(row["name"] == name for row in variances)]
    lines: dict[tuple[Any, ...], Row] = {}
    for row in variances:
        facts = {name: row[name] for name in _FACTS if name in row}
        lines.setdefault(tuple(facts.values()), facts)[row["name"]] = _source_text(row)
    shown = [{**line, **({"role": line["role"] or "unknown"} if "role" in line else {})} for line in lines.values()]
    columns = [*name_columns(shown, by), *(Column(name, name, least=14) for name in sources)]
    title = "sources of variance: SD of the difference in a run (share of the variance of the mean difference)"
    return Table(columns, shown, title, blocks=True)


def _source_text(row: Row) -> str:
    if row["variance"] is None:
        return "unknown"
    share = "within splits" if row["share"] is None else f"{100 * row['share']:.0f} %"
    return f"{row['variance'] ** 0.5:.4f} ({share})"


def _chance_table(rows: Sequence[Row], of: Sequence[Column], level: float) -> Table:
    columns = [
        *of,
        Column("runs", "runs", "count"),
        Column("ties", "ties", "count"),
        Column("P(after > before)", "text", least=20),
        Column("verdict", "chance_verdict", least=22),
    ]
    shown = [
        {**row, "text": f"{row['chance']:.2f} [{row['chance_low']:.2f}, {row['chance_high']:.2f}]"}
        for row in rows
        if row["chance"] is not None
    ]
    title = (
        f"share of runs in which the second is better, exact {100 * level:g} % interval, held against {MEANINGFUL:g}"
    )
    return Table(columns, shown, title, blocks=True)


def _drawing(rows: Sequence[Row], measure: str, margin: float) -> Draw:
    """Return what draws the improvements beside the margin."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.intervals import Estimate, draw_intervals

        estimates = [
            Estimate(
                f"{row.get('group') or row.get('dataset') or 'all'} (seeds {row['seeds']}, splits {row['splits']})",
                str(row.get("label", "")),
                row["difference"],
                row["low"],
                row["high"],
            )
            for row in rows
            if row["difference"] is not None
        ]
        return [draw_intervals(estimates, path("superiority.png"), measure=measure, reference=margin)]

    return draw
