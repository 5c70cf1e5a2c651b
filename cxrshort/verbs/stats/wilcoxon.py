"""Wilcoxon's signed-rank test of paired numbers, person by person."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Column, Result, Table
from cxrshort.stats.paired_differences import PairedDifferences, paired_differences
from cxrshort.stats.signed_rank import holm
from cxrshort.verbs.stats.output import Draw, check_figures, clean_record, write_result
from cxrshort.verbs.stats.scores import PERSON, check_group_count
from cxrshort.verbs.stats.source import open_source

KIND = "stats-wilcoxon"


def wilcoxon(
    table: str | Path,
    *,
    before: str | None = None,
    after: str | None = None,
    difference: str | None = None,
    person: str | None = None,
    by: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Test paired numbers, person by person, with Holm's correction over the groups of ``by``.

    Args:
        table: any CSV or Parquet table, or ``-`` for standard input; a row is a pair.
        before: the column of the first numbers.
        after: the column of the second ones; the difference is after minus before.
        difference: a column of differences, instead of both.
        person: the column that says whose pair a row is; None for ``person_id``, if there is one.
        by: a column whose values are tested apart.
        level: coverage of the interval of the median.
        seed: of the populations from which the smallest shift that would have been shown is read off.
        out: a folder for tests.csv, summary.json and run.json; None writes nothing.
        figures: draw wilcoxon.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: the table breaks a rule, or a group has fewer than two persons.
        UsageError: neither a pair of columns nor a difference, or a level out of range.
    """
    check_figures(out, figures=figures)
    if difference is None and (before is None or after is None):
        raise UsageError("a test of pairs needs two columns", "--before COLUMN --after COLUMN, or --difference COLUMN")
    if difference is not None and (before is not None or after is not None):
        raise UsageError("--difference stands for --before and --after", "give one of them")
    source = open_source(table)
    numbers = [name for name in (before, after, difference) if name is not None]
    source.check(*numbers, *filter(None, (person, by)))
    assumed = person is None and PERSON in source.columns
    person = PERSON if assumed else person
    rows = source.read(numbers=numbers, texts=[name for name in (person, by) if name is not None])
    differences = rows[difference] if difference is not None else rows[str(after)] - rows[str(before)]
    notes = _notes(differences, person, assumed=assumed)
    differences = differences.dropna()
    if differences.empty:
        raise DataError(f"{source.name}: no row has both numbers", "name columns that are filled")
    rows = rows.loc[differences.index]
    by_group = {
        group: _test(differences[part.index], part, person, group=group, seed=seed, level=level)
        for group, part in _groups(rows, by, source.name)
    }
    adjusted = holm([test.test.p for test in by_group.values()])
    tests = [_row(group, test, p, level) for (group, test), p in zip(by_group.items(), adjusted, strict=True)]
    arguments: dict[str, Any] = {
        "table": str(table),
        "before": before,
        "after": after,
        "difference": difference,
        "person": person,
    }
    arguments |= {"by": by, "level": level, "seed": seed}
    shown = _shown(tests, by, difference or f"{after} - {before}", level)
    result = Result({**arguments, "tests": tests}, [shown], notes=notes, kind=KIND)
    return write_result(
        result,
        "stats wilcoxon",
        source=source,
        arguments=arguments,
        out=out,
        tables={"tests.csv": tests},
        draw=_drawing(tests, difference or f"{after} - {before}") if figures else None,
        force=force,
    )


def _notes(differences: "pd.Series[float]", person: str | None, *, assumed: bool) -> list[str]:
    notes = []
    if empty := int(differences.isna().sum()):
        notes.append(f"{empty:,} of {len(differences):,} rows lack a number and are left out")
    if person is None:
        notes.append("every pair counts as of a person of its own; --person COLUMN says which rows are of one person")
    elif assumed:
        notes.append(f"differences of one person are averaged first: rows with the same '{person}'")
    return notes


def _groups(rows: pd.DataFrame, by: str | None, table: str) -> list[tuple[str, pd.DataFrame]]:
    if by is None:
        return [("", rows)]
    groups = [(str(value) or "(empty)", part) for value, part in rows.groupby(by, sort=True)]
    check_group_count(len(groups), by, table)
    return groups


def _test(
    differences: "pd.Series[float]", rows: pd.DataFrame, person: str | None, *, group: str, seed: int, level: float
) -> PairedDifferences:
    persons = None if person is None else rows[person].to_numpy()
    try:
        return paired_differences(differences, persons, rng=np.random.default_rng(seed), level=level)
    except DataError as error:
        raise DataError(f"{group}: {error.message}" if group else error.message, error.hint) from error


def _row(group: str, differences: PairedDifferences, adjusted: float | None, level: float) -> dict[str, Any]:
    test = differences.test
    p = test.p if adjusted is None else adjusted
    return clean_record(
        {
            **({"group": group} if group else {}),
            "pairs": differences.pairs,
            "persons": differences.persons,
            "zeros": test.zeros,
            "positive": differences.positive,
            "negative": differences.negative,
            "median": differences.median,
            "low": differences.low,
            "high": differences.high,
            "statistic": test.statistic,
            "p_exact": test.p_exact,
            "p_normal": test.p_normal,
            "p_holm": adjusted,
            "smallest_p": differences.smallest_p,
            "smallest_shift": differences.smallest_shift,
            "finding": "shown" if p <= 1 - level else "not shown",
            "reason": differences.reason,
        }
    )


def _shown(tests: Sequence[Mapping[str, Any]], by: str | None, measured: str, level: float) -> Table:
    heads = [
        *([Column(by, "group")] if by else []),
        Column("pairs", "pairs", "count"),
        Column("persons", "persons", "count"),
        Column("> 0", "positive", "count"),
        Column("< 0", "negative", "count"),
        Column("median difference", "median", "interval"),
        Column("T", "statistic"),
        Column("P, exact", "exact"),
        Column("P, normal", "normal"),
        *([Column("P, Holm", "holm")] if len(tests) > 1 else []),
        Column("finding", "finding", least=9),
        Column("detectable shift", "shift", least=10),
    ]
    rows = [
        {
            **test,
            "statistic": f"{test['statistic']:g}",
            "exact": p_text(test["p_exact"]),
            "normal": p_text(test["p_normal"]),
            "holm": p_text(test["p_holm"]),
            "shift": "" if test["smallest_shift"] is None else f"{test['smallest_shift']:.3g}",
        }
        for test in tests
    ]
    title = f"{measured}: signed-rank test, two-sided; median with {100 * level:g} % interval"
    return Table(heads, rows, title, blocks=True)


def p_text(p: float | None) -> str:
    """Return a p-value with three digits.

    Example:
        >>> p_text(0.22222), p_text(1.0), p_text(8.8575e-5)
        ('0.222', '1.00', '8.86e-05')
    """
    return "too many pairs" if p is None else f"{p:#.3g}"


def _drawing(tests: Sequence[Mapping[str, Any]], measured: str) -> Draw:
    """Return what draws the medians."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.intervals import Estimate, draw_intervals

        estimates = [
            Estimate(
                f"{test.get('group', 'all')} (n = {test['persons']:,})", "", test["median"], test["low"], test["high"]
            )
            for test in tests
        ]
        return [draw_intervals(estimates, path("wilcoxon.png"), measure=f"median of {measured}", reference=0.0)]

    return draw
