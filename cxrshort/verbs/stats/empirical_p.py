"""The empirical p-value of a number among random numbers."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrshort import registry
from cxrshort.errors import DataError, UsageError
from cxrshort.results import Column, Result, Table
from cxrshort.stats.changes import rate_interval
from cxrshort.stats.random_changes import DIRECTIONS, more_extreme
from cxrshort.stats.random_changes import empirical_p as p_values
from cxrshort.stats.signed_rank import holm
from cxrshort.verbs.stats.output import Draw, check_figures, clean_record, write_result
from cxrshort.verbs.stats.source import Source, open_source

KIND = "stats-empirical-p"
LEVEL = 0.05
MOST_SHOWN = 30
"""Tests that are printed without ``--verbose``."""

Floats = NDArray[np.float64]


def empirical_p(
    table: str | Path | None = None,
    *,
    extreme: int | None = None,
    draws: int | None = None,
    observed: str | None = None,
    null: Sequence[str] = (),
    direction: str = "increase",
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Compute (r + 1) / (n + 1), where r of n random numbers are at least as extreme as the observed one.

    Args:
        table: any CSV or Parquet table, or ``-`` for standard input; None where ``extreme`` and ``draws`` are given.
        extreme: r, counted already.
        draws: n.
        observed: the column of observed numbers, a test for each row; or a number, for one test of all rows.
        null: the columns of random numbers; ``*`` and ``?`` stand for any characters.
        direction: which random numbers are at least as extreme, one of
            :data:`~cxrshort.stats.random_changes.DIRECTIONS`.
        out: a folder for tests.csv, summary.json and run.json; None writes nothing.
        figures: draw null.png too: the first test among its random numbers.
        force: overwrite an earlier result.

    Raises:
        DataError: the table breaks a rule, or counts that cannot be.
        UsageError: neither counts nor a table, or both.
    """
    check_figures(out, figures=figures)
    registry.check_name(DIRECTIONS, direction, kind="direction")
    arguments: dict[str, Any] = {
        "table": None if table is None else str(table),
        "r": extreme,
        "n": draws,
        "observed": observed,
    }
    arguments |= {"null": list(null), "direction": direction}
    if extreme is not None or draws is not None:
        if table is not None or observed is not None or null:
            raise UsageError("--r and --n stand for a table", "give the counts, or a table with --observed and --null")
        if figures:
            raise UsageError("counts alone cannot be drawn", "give a table with --observed and --null")
        tests, source, drawn = [_of_counts(extreme, draws)], None, None
    else:
        source, changes, random = _read(table, observed, null)
        tests = _tests(changes, random, direction)
        drawn = _drawing(tests[0], random[0], direction) if figures else None
    result = Result({**arguments, "tests": tests}, _shown(tests), notes=_notes(tests, source), kind=KIND)
    return write_result(
        result,
        "stats empirical-p",
        source=source,
        arguments=arguments,
        out=out,
        tables={"tests.csv": tests},
        draw=drawn,
        force=force,
    )


def _of_counts(extreme: int | None, draws: int | None) -> dict[str, Any]:
    """Return the test of counts."""
    if extreme is None or draws is None:
        raise UsageError("--r and --n belong together", "--r 12 --n 1000: 12 of 1,000 random numbers are as extreme")
    if not 0 <= extreme <= draws or draws < 1:
        raise DataError(f"r = {extreme} of n = {draws}: r must lie between 0 and n, and n be at least 1")
    return _row({"r": extreme, "n": draws})


def _read(table: str | Path | None, observed: str | None, null: Sequence[str]) -> tuple[Source, Floats, Floats]:
    """Return the table, (N,) observed numbers and (N, n) random ones."""
    if table is None or observed is None or not null:
        raise UsageError(
            "an empirical p-value needs random numbers", "TABLE --observed COLUMN --null 'random_*', or --r R --n N"
        )
    source = open_source(table)
    columns = _expand(source, null)
    if observed in source.columns:
        columns = [name for name in columns if name != observed]
        rows = source.read(numbers=[observed, *columns])
        return source, rows[observed].to_numpy(), _without_gaps(rows[columns].to_numpy(), rows[observed], source)
    value = _number(source, observed)
    random = source.read(numbers=columns).to_numpy().ravel()
    return source, np.array([value]), _without_gaps(random[None, :], [value], source)


def _expand(source: Source, null: Sequence[str]) -> list[str]:
    """Return the columns that names and patterns stand for."""
    columns: list[str] = []
    for pattern in null:
        matches = fnmatch.filter(source.columns, pattern) if set(pattern) & set("*?") else [pattern]
        if not matches:
            raise DataError(f"{source.name}: no column matches '{pattern}'", f"columns: {source.list_columns()}")
        columns += matches
    source.check(*columns)
    return list(dict.fromkeys(columns))


def _number(source: Source, observed: str) -> float:
    try:
        return float(observed)
    except ValueError:
        source.check(observed)
        raise


def _without_gaps(random: Floats, observed: Any, source: Source) -> Floats:
    """Return the random numbers if none is missing."""
    gaps = int(np.isnan(random).sum() + np.isnan(np.asarray(observed, np.float64)).sum())
    if gaps:
        raise DataError(
            f"{source.name}: {gaps:,} numbers are missing: each test needs all of its random numbers",
            "remove the rows that lack one",
        )
    return random


def _tests(changes: Floats, random: Floats, direction: str) -> list[dict[str, Any]]:
    """Return the test of each row."""
    p = p_values(changes, random, direction=direction)
    extreme = np.rint(p * (random.shape[1] + 1)).astype(int) - 1
    strictly = more_extreme(changes, random, direction=direction)
    adjusted = holm(p.tolist())
    middle, spread = np.median(random, axis=1), random.std(axis=1, ddof=1) if random.shape[1] > 1 else np.zeros(len(p))
    return [
        _row(
            {
                "row": place + 1,
                "observed": changes[place],
                "null_median": middle[place],
                "effect": changes[place] - middle[place],
                "effect_sd": (changes[place] - middle[place]) / spread[place] if spread[place] > 0 else None,
                "r": int(extreme[place]),
                "r_strictly": int(strictly[place]),
                "n": random.shape[1],
                "p_holm": adjusted[place],
            }
        )
        for place in range(len(p))
    ]


def _row(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a test with its p-value and the share of random numbers that are as extreme."""
    extreme, draws = facts["r"], facts["n"]
    p = (extreme + 1) / (draws + 1)
    share = rate_interval([True] * extreme + [False] * (draws - extreme), range(draws))
    return clean_record(
        {
            **facts,
            "share": share.value,
            "share_low": share.low,
            "share_high": share.high,
            "p": p,
            "p_strict": None if "r_strictly" not in facts else (facts["r_strictly"] + 1) / (draws + 1),
            "smallest_p": 1 / (draws + 1),
            "finding": "shown" if facts.get("p_holm", p) <= LEVEL else "not shown",
        }
    )


def _notes(tests: Sequence[Mapping[str, Any]], source: Source | None) -> list[str]:
    notes = []
    draws = tests[0]["n"]
    if 1 / (draws + 1) > LEVEL / len(tests):
        notes.append(
            f"{draws:,} random numbers are too few to show anything"
            + (f" in {len(tests):,} tests" if len(tests) > 1 else "")
            + f": the smallest p-value is {1 / (draws + 1):.3g}"
        )
    if source is None:
        notes.append("counts alone have no effect size: the share of random numbers stands for it")
    return notes


def _shown(tests: Sequence[Mapping[str, Any]]) -> list[Table]:
    has_many_tests = len(tests) > 1
    of_table = "observed" in tests[0]
    heads = [
        *([Column("row", "row", "count")] if has_many_tests else []),
        *(
            [Column("observed", "observed"), Column("effect", "effect"), Column("in SD", "effect_sd")]
            if of_table
            else []
        ),
        Column("r", "r", "count"),
        Column("n", "n", "count"),
        Column("share as extreme", "share", "interval"),
        Column("P", "p"),
        *([Column("P, strict", "p_strict")] if of_table else []),
        *([Column("P, Holm", "p_holm")] if has_many_tests else []),
        Column("finding", "finding", least=9),
    ]
    rows = [{**test, **{name: _text(test, name) for name in _TEXTS}} for test in tests]
    title = "(r + 1) / (n + 1)" + ("; effect: observed minus the median of the random numbers" if of_table else "")
    if len(rows) <= MOST_SHOWN:
        return [Table(heads, rows, title, blocks=True)]
    first = f"{title}; the first {MOST_SHOWN} of {len(rows):,}, --verbose prints all"
    return [
        Table(heads, rows[:MOST_SHOWN], first, ("quiet", "usual"), blocks=True),
        Table(heads, rows, title, ("verbose",), blocks=True),
    ]


_TEXTS = ("observed", "effect", "effect_sd", "p", "p_strict", "p_holm")


def _text(test: Mapping[str, Any], name: str) -> str:
    value = test.get(name)
    if value is None:
        return ""
    return f"{value:#.3g}" if name.startswith("p") else f"{value:.3g}"


def _drawing(test: Mapping[str, Any], random: Floats, direction: str) -> Draw:
    """Return what draws a number among its random numbers."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.histograms import draw_among

        title = f"r = {test['r']:,} of n = {test['n']:,} ({direction}), P = {test['p']:.3g}"
        return [draw_among(test["observed"], random, path("null.png"), title=title)]

    return draw
