"""Is the data sound: what leaks between folds and datasets, and which columns give a label away."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.results import Block, Column, Result, Table, Text
from cxrshort.stats.auc import check_level
from cxrshort.stats.label_leaks import LabelLeak, find_label_leaks
from cxrshort.stats.leakage import (
    LEAK,
    NO_EVIDENCE,
    NOT_TESTABLE,
    SUSPICIOUS,
    VERDICTS,
    Cohort,
    Shared,
    follow_ups,
    share_between,
    share_within,
)
from cxrshort.verbs.stats.cohort_tables import CohortTable, ColumnNames, disambiguate, read_cohort
from cxrshort.verbs.stats.near_identical import SAME_FILM, SIDE, NearIdentical, drawing, find_near_identical
from cxrshort.verbs.stats.output import check_figures, clean_record, write_result

KIND = "stats-leakage"
_PLURAL = {"person": "persons", "study": "studies", "image": "images"}
_SHARED = ("kind", "id", "folds", "first", "second", "images_first", "images_second", "crosses")
_FOLLOW_UPS = ("scope", "id", "folds", "earlier", "later", "days")
_LISTED = 3
"""Examples that a finding names."""


def leakage(
    datasets: Sequence[str],
    *,
    columns: ColumnNames | None = None,
    compare_pixels: bool = True,
    jobs: int = -1,
    level: float = 0.95,
    seed: int = 0,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Look for leaks within each dataset and between every two of them.

    Args:
        datasets: dataset folders, manifests, names of datasets, folders of evaluate, any CSV or Parquet table, or
            ``-`` for standard input.
        columns: which columns mean what; None for those of manifests.
        compare_pixels: look for near-identical images too, where the images are cached.
        jobs: threads that compare images; -1 for all cores.
        level: coverage of the intervals of strengths.
        seed: of the halves of the persons on which columns are learned and judged.
        out: a folder for findings.csv, shared.csv, follow-ups.csv, pairs.csv, columns.csv, summary.json and run.json.
        figures: draw near-identical.png too, where there are such pairs.
        force: overwrite an earlier result.

    Returns:
        The findings; its verdicts are of :data:`cxrshort.stats.leakage.VERDICTS`.

    Raises:
        DataError: a dataset has nothing that could be compared, or is given twice.
        UsageError: a level out of range.
    """
    check_figures(out, figures=figures)
    check_level(level)
    names = [str(name) for name in datasets]
    tables = [read_cohort(name, columns or ColumnNames()) for name in names]
    titles = disambiguate(tables, names)
    tables = [
        replace(table, cohort=replace(table.cohort, name=title)) for table, title in zip(tables, titles, strict=True)
    ]
    search = _Search(tables)
    search.share()
    if compare_pixels:
        search.compare_pixels(jobs)
    leaks = search.test_columns(np.random.default_rng(seed), level)
    search.findings.sort(key=lambda finding: VERDICTS.index(finding["verdict"]))
    findings = search.findings
    pairs = search.pairs()
    arguments: dict[str, Any] = {"datasets": names, "columns": asdict(columns or ColumnNames())}
    arguments |= {"compare_pixels": compare_pixels, "level": level, "seed": seed}
    summary = {**arguments, "findings": findings, "label_leaks": [_record(leak) for leak in leaks]}
    verdicts = [finding["verdict"] for finding in findings]
    result = Result(summary, _blocks(findings), notes=search.notes(), kind=KIND, verdicts=verdicts)
    return write_result(
        result,
        "stats leakage",
        source=[table.source for table in tables],
        arguments=arguments,
        out=out,
        tables={} if out is None else search.tables_behind(),
        draw=drawing(tables, pairs) if figures else None,
        force=force,
    )


class _Search:
    """Hold the findings on some datasets while they are made, and the tables behind them."""

    def __init__(self, tables: Sequence[CohortTable]) -> None:
        self.tables = tables
        self.findings: list[dict[str, Any]] = []
        self.label_leaks: list[LabelLeak] = []
        self._shared: list[pd.DataFrame] = []
        self._follow_ups: list[pd.DataFrame] = []
        self._near: dict[tuple[str, str], NearIdentical] = {}

    def _scopes(self) -> Iterator[tuple[CohortTable, ...]]:
        """Yield each dataset, then every two of them."""
        yield from ((table,) for table in self.tables)
        yield from combinations(self.tables, 2)

    def share(self) -> None:
        """Compare persons, studies, images and dates."""
        for scope in self._scopes():
            cohorts = [table.cohort for table in scope]
            for kind, plural in _PLURAL.items():
                reason = next((table.reasons[kind] for table in scope if kind in table.reasons), "")
                reason = reason or (scope[0].reasons.get("folds", "") if len(scope) == 1 else "")
                if reason:
                    self._add(f"shared {plural}", cohorts, reason=reason)
                    continue
                shared = _share(cohorts, kind)
                self._shared.append(shared.table.assign(kind=kind))
                self._add_shared(plural, cohorts, shared)
                if kind == "person":
                    self._add_follow_ups(scope, shared)

    def _add_shared(self, plural: str, cohorts: Sequence[Cohort], shared: Shared) -> None:
        verdict = LEAK if shared.crossing else SUSPICIOUS if shared.count else NO_EVIDENCE
        if len(cohorts) == 2 and shared.count and shared.crossing < shared.count:
            why = f"{shared.crossing:,} of {shared.count:,} in development on one side and in a test on the other"
        else:
            why = _examples(shared.table, len(cohorts) == 1)
        self._add(f"shared {plural}", cohorts, count=shared.count, compared=shared.compared, verdict=verdict, why=why)

    def _add_follow_ups(self, scope: Sequence[CohortTable], shared: Shared) -> None:
        cohorts = [table.cohort for table in scope]
        if reason := next((table.reasons["date"] for table in scope if "date" in table.reasons), ""):
            self._add("follow-ups", cohorts, reason=reason)
            return
        later = follow_ups(cohorts, shared)
        self._follow_ups.append(later.assign(scope=_scope(cohorts)))
        people = later.drop_duplicates(["id", "earlier", "later"])
        orders = Counter(zip(people["earlier"], people["later"], strict=True)).most_common()
        why = "; ".join(f"earlier in {first}, later in {second}: {count:,}" for (first, second), count in orders)
        verdict = NO_EVIDENCE
        if len(later):
            crossing = set(shared.table["id"][shared.table["crosses"]]) & set(later["id"])
            verdict = LEAK if crossing else SUSPICIOUS
        self._add(
            "follow-ups",
            cohorts,
            count=int(later["id"].nunique()),
            compared=shared.compared,
            verdict=verdict,
            why=why,
        )

    def compare_pixels(self, jobs: int) -> None:
        """Compare the cached images."""
        with_pixels = [table for table in self.tables if table.pixels is not None]
        if with_pixels:
            self._near = find_near_identical(with_pixels, jobs=jobs)
        for scope in self._scopes():
            cohorts = [table.cohort for table in scope]
            names = cohorts[0].name, cohorts[-1].name
            reason = next((table.reasons["pixels"] for table in scope if "pixels" in table.reasons), "")
            if reason:
                self._add("near-identical images", cohorts, reason=reason)
                continue
            self._add_near(cohorts, self._near[names])

    def _add_near(self, cohorts: Sequence[Cohort], near: NearIdentical) -> None:
        crosses = near.table["crosses"].to_numpy(dtype=bool)
        certain = near.table["correlation"].to_numpy(dtype=float) >= SAME_FILM
        count, copies = len(near.table), int((crosses & certain).sum())
        verdict = NO_EVIDENCE if not count else LEAK if copies and near.side >= SIDE else SUSPICIOUS
        side = "across folds" if len(cohorts) == 1 else "from development to a test"
        why = f"pairs of different persons, {int(crosses.sum()):,} of them {side}, {copies:,} of these certainly copies"
        for pair in near.table.sort_values(["crosses", "correlation"], ascending=False).head(1).to_dict("records"):
            why += f"; {pair['image_first']} and {pair['image_second']}, r = {pair['correlation']:.2f}"
        if near.side < SIDE:
            why += f"; images of {near.side} pixels do not tell all persons apart"
        facts: dict[str, Any] = {"count": count, "compared": near.compared, "verdict": verdict}
        self._add("near-identical images", cohorts, **facts, why=why if count else "")

    def test_columns(self, rng: np.random.Generator, level: float) -> list[LabelLeak]:
        """Test the columns of each dataset for giving a label away, and return those that do."""
        worst: list[LabelLeak] = []
        for table in self.tables:
            if reason := table.reasons.get("labels"):
                self._add("label-leaking columns", [table.cohort], reason=reason)
                continue
            persons = table.cohort.rows.get("person")
            codes = None if persons is None or (persons == "").any() else pd.factorize(persons)[0]
            leaks = find_label_leaks(table.targets, table.metadata, persons=codes, rng=rng, level=level)
            self.label_leaks += leaks
            bad = [leak for leak in leaks if leak.verdict in (LEAK, SUSPICIOUS)]
            worst += bad
            self._add_label_leaks(table.cohort, leaks, bad)
        return worst

    def _add_label_leaks(self, cohort: Cohort, leaks: Sequence[LabelLeak], bad: Sequence[LabelLeak]) -> None:
        tested = [leak for leak in leaks if leak.verdict != NOT_TESTABLE]
        if not tested:
            reasons = "; ".join(dict.fromkeys(leak.why for leak in leaks[:_LISTED]))
            self._add("label-leaking columns", [cohort], reason=reasons or "no label and column")
            return
        verdict = LEAK if any(leak.verdict == LEAK for leak in bad) else SUSPICIOUS if bad else NO_EVIDENCE
        listed = [f"{leak.column} gives {leak.label} away, {leak.why}" for leak in bad[:_LISTED]]
        more = len(bad) - _LISTED
        strongest = max(tested, key=lambda leak: leak.strength or 0.0)
        why = "; ".join(listed) + (f"; and {more} more" if more > 0 else "")
        why = why or f"the strongest is {strongest.column} for {strongest.label}: {strongest.why}"
        self._add("label-leaking columns", [cohort], count=len(bad), compared=len(tested), verdict=verdict, why=why)

    def _add(
        self,
        check: str,
        cohorts: Sequence[Cohort],
        *,
        count: int | None = None,
        compared: int | None = None,
        verdict: str = NOT_TESTABLE,
        why: str = "",
        reason: str = "",
    ) -> None:
        facts = {"check": check, "scope": _scope(cohorts), "verdict": verdict, "count": count, "compared": compared}
        self.findings.append({**facts, "why": reason or why})

    def pairs(self) -> pd.DataFrame:
        """Return all near-identical pairs."""
        tables = [near.table for near in self._near.values() if len(near.table)]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def tables_behind(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of the files that are written, without empty ones."""
        rows = {
            "findings.csv": self.findings,
            "shared.csv": _rows(_concat(self._shared, _SHARED)),
            "follow-ups.csv": _rows(_concat(self._follow_ups, _FOLLOW_UPS)),
            "pairs.csv": _rows(self.pairs().drop(columns=["row_first", "row_second"], errors="ignore")),
            "columns.csv": [_record(leak) for leak in self.label_leaks],
        }
        return {name: part for name, part in rows.items() if part}

    def notes(self) -> list[str]:
        """Return the caveats of the comparisons."""
        notes: list[str] = []
        for table in self.tables:
            notes += table.notes
            for kind in _PLURAL:
                unknown = int((table.cohort.rows[kind] == "").sum()) if kind in table.cohort.rows else 0
                if unknown and kind not in table.reasons:
                    size = len(table.cohort.rows)
                    notes.append(f"{table.cohort.name}: {unknown:,} of {size:,} rows name no {kind}; not compared")
        if self._near:
            notes.append("mirrored copies are not looked for; films of one person on different days may count as pairs")
        return notes


def _share(cohorts: Sequence[Cohort], kind: str) -> Shared:
    return share_within(cohorts[0], kind) if len(cohorts) == 1 else share_between(cohorts[0], cohorts[1], kind)


def _concat(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True)[list(columns)] if filled else pd.DataFrame(columns=list(columns))


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _scope(cohorts: Sequence[Cohort]) -> str:
    if len(cohorts) == 2:
        return f"between {cohorts[0].name} and {cohorts[1].name}"
    return f"within {cohorts[0].name}"


def _examples(shared: pd.DataFrame, by_fold: bool) -> str:
    """Return the first of the identifiers that are shared, with where they are."""
    texts = []
    for _, row in shared.drop_duplicates("id").head(_LISTED).iterrows():
        where = (
            f" ({row['first']} {row['images_first']:,}, {row['second']} {row['images_second']:,})" if by_fold else ""
        )
        texts.append(f"{row['id']}{where}")
    return ", ".join(texts) + (", ..." if shared["id"].nunique() > _LISTED else "")


def _record(leak: LabelLeak) -> dict[str, Any]:
    return clean_record(asdict(leak))


def _blocks(findings: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return a table of what could be compared, then the examples and reasons, which need whole lines."""
    heads = [
        Column("verdict", "verdict", least=len(SUSPICIOUS)),
        Column("check", "check", least=12),
        Column("where", "scope", least=12),
        Column("count", "shown", "count", least=5),
        Column("of", "all", "count"),
    ]
    rows = [
        {**finding, "shown": f"{finding['count']:,}", "all": f"{finding['compared']:,}"}
        for finding in findings
        if finding["verdict"] != NOT_TESTABLE
    ]
    table: list[Block] = [Table(heads, rows)] if rows else []
    return [*table, *_explanations(findings)]


def _explanations(findings: Sequence[Mapping[str, Any]]) -> list[Block]:
    untested: dict[tuple[str, str], list[str]] = {}
    lines = []
    for finding in findings:
        if finding["verdict"] == NOT_TESTABLE:
            untested.setdefault((finding["check"], finding["why"]), []).append(finding["scope"])
        elif finding["why"]:
            lines.append(f"{finding['check']} {finding['scope']}: {finding['why']}")
    reasons = {f"{check} {', '.join(scopes)}": reason for (check, reason), scopes in untested.items()}
    lines += [f"{NOT_TESTABLE}: {check}: {reason}" for check, reason in reasons.items()]
    return [Text(line, folded=True, indent="  ") for line in lines]
