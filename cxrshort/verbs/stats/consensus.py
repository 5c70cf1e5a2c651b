"""Which of several methods is better throughout several datasets."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Block, Column, Facts, Result, Table
from cxrshort.stats.auc import check_level
from cxrshort.stats.consensus import RankConsensus, bayesian_signed_rank, rank_consensus
from cxrshort.stats.signed_rank import signed_rank
from cxrshort.verbs.stats.compared_models import name_columns, p_text, probability_text
from cxrshort.verbs.stats.corrections import CORRECTIONS, check_correction, correct_rows
from cxrshort.verbs.stats.method_scores import MethodScores, read_long, read_predictions, read_wide
from cxrshort.verbs.stats.output import Draw, check_figures, clean_record, write_result
from cxrshort.verbs.stats.source import open_source

KIND = "stats-consensus"
Row = dict[str, Any]


def consensus(
    table: str | Path,
    *,
    value: str | None = None,
    group: str | None = None,
    dataset: str = "dataset",
    methods: Sequence[str] = (),
    label: str | None = None,
    lower_is_better: bool = False,
    region: float = 0.01,
    correction: str = "holm",
    level: float = 0.95,
    seed: int = 0,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Rank methods over datasets, and weigh each pair of them.

    Args:
        table: predictions, any CSV or Parquet table, or ``-`` for standard input.
        value: the column of scores, where a row is a method on a dataset; rows of one method and dataset are averaged.
        group: the column of methods, with ``value``.
        dataset: the column of datasets.
        methods: columns of scores, a method each, where a row is a dataset.
        label: one label of predictions; None for all.
        lower_is_better: whether the scores are errors.
        region: differences up to this size do not matter in practice.
        correction: of the signed-rank tests of all pairs.
        level: 1 minus the error of the first kind.
        seed: of the posterior draws.
        out: a folder for ranks.csv, pairs.csv, summary.json and run.json; None writes nothing.
        figures: draw consensus.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: a table breaks a rule, or has fewer than two datasets or methods.
        UsageError: options that exclude each other, or a number out of range.
    """
    check_figures(out, figures=figures)
    check_correction(correction)
    check_level(level)
    if not 0 <= region < 1e300:
        raise UsageError(f'region "{region:g}" must not be negative', "try 0.01")
    arguments: dict[str, Any] = {"table": str(table), "value": value, "group": group, "dataset": dataset}
    arguments |= {"methods": list(methods), "label": label, "lower_is_better": lower_is_better, "region": region}
    arguments |= {"correction": correction, "level": level, "seed": seed}
    if (value is None) != (group is None):
        missing = "--group" if group is None else "--value"
        raise UsageError(f"{missing} is missing: --value and --group name two columns", f"{missing} COLUMN")
    if methods and value is not None:
        raise UsageError("--method names columns of scores, --value one column of all", "give one of them")
    source = open_source(table)
    if value is not None and group is not None:
        scores, notes = read_long(source, value=value, group=group, dataset=dataset, label=label)
    elif methods:
        scores, notes = read_wide(source, methods=methods, dataset=dataset)
    else:
        scores, notes = read_predictions(source, label=label)
    sign = -1.0 if lower_is_better else 1.0
    rankings = [(part, _rank(part, sign, level)) for part in scores]
    ranks = [row for part, ranking in rankings for row in _rank_rows(part, ranking, sign)]
    tests = [_test_row(part, ranking) for part, ranking in rankings if ranking is not None]
    pairs = [
        row
        for part in scores
        for row in _pair_rows(part, sign, region=region, seed=seed, correction=correction, level=level)
    ]
    notes += list(dict.fromkeys(row["caution"] for row in pairs if row["caution"]))
    if any(ranking is None for _, ranking in rankings):
        notes.append("two methods have no ranks to test: the signed-rank test compares them")
    summary = {**arguments, "friedman": tests, "ranks": ranks, "pairs": pairs}
    return write_result(
        Result(summary, _blocks(tests, ranks, pairs, arguments), notes=notes, kind=KIND),
        "stats consensus",
        source=source,
        arguments=arguments,
        out=out,
        tables={"ranks.csv": ranks, "pairs.csv": pairs},
        draw=_drawing(rankings) if figures else None,
        force=force,
    )


def _rank(part: MethodScores, sign: float, level: float) -> RankConsensus | None:
    return rank_consensus(sign * part.scores, level=1 - level) if len(part.methods) > 2 else None


def _rank_rows(part: MethodScores, ranking: RankConsensus | None, sign: float) -> list[Row]:
    """Return the methods of one table, the best first."""
    from scipy.stats import rankdata

    ranks = rankdata(-sign * part.scores, axis=1)
    means = ranks.mean(axis=0)
    rows = []
    for method in np.argsort(means, kind="stable"):
        bars = [] if ranking is None else [number for number, bar in enumerate(ranking.groups) if method in bar]
        rows.append(
            clean_record(
                {
                    **part.facts,
                    "method": part.methods[method],
                    "mean_rank": means[method],
                    "wins": int((ranks[:, method] == 1).sum()),
                    "mean": part.scores[:, method].mean(),
                    "deviation": part.scores[:, method].std(ddof=1),
                    "datasets": len(part.scores),
                    "not_told_apart": " ".join(chr(ord("a") + number % 26) for number in bars),
                }
            )
        )
    return rows


def _test_row(part: MethodScores, ranking: RankConsensus) -> Row:
    names = ("chi_square", "p_chi_square", "f", "p_f", "critical_difference", "datasets")
    spread = max(ranking.mean_ranks) - min(ranking.mean_ranks)
    shown = ranking.p_f <= ranking.level
    return clean_record(
        {
            **part.facts,
            "methods": len(part.methods),
            **{name: getattr(ranking, name) for name in names},
            "rank_spread": spread,
            "finding": "methods differ" if shown else "not shown to differ",
            "caution": ranking.caution,
        }
    )


def _pair_rows(
    part: MethodScores, sign: float, *, region: float, seed: int, correction: str, level: float
) -> list[Row]:
    """Return every pair of methods: signed-rank test and posterior probabilities."""
    rows = []
    for first, second in combinations(range(len(part.methods)), 2):
        own, other = (sign * part.scores[:, method] for method in (first, second))
        # Rounded, so that differences of equal size tie as they would on paper.
        test = signed_rank(np.round(own - other, 12))
        posterior = bayesian_signed_rank(own, other, rng=np.random.default_rng(seed), region=region)
        rows.append(
            {
                **part.facts,
                "first": part.methods[first],
                "second": part.methods[second],
                "datasets": posterior.datasets,
                "median": float(np.median(own - other)),
                "p": test.p,
                "first_better": posterior.first,
                "equivalent": posterior.equivalent,
                "second_better": posterior.second,
                "caution": posterior.caution,
            }
        )
    return [clean_record({**row, "finding": _finding(row, level)}) for row in correct_rows(rows, correction)]


def _finding(row: Row, level: float) -> str:
    """Return what the posterior says; the region decides what "equivalent" means."""
    words = {"first_better": f"{row['first']} better", "equivalent": "equivalent in practice"}
    words["second_better"] = f"{row['second']} better"
    best = max(words, key=lambda name: row[name])
    return words[best] if row[best] >= level else "not decided"


def _blocks(
    tests: Sequence[Row], ranks: Sequence[Row], pairs: Sequence[Row], arguments: Mapping[str, Any]
) -> list[Block]:
    """Return what people see."""
    of = name_columns(ranks, None)
    columns = [
        *of,
        Column("method", "method"),
        Column("mean rank", "rank_text", "count"),
        Column("wins", "wins", "count"),
        Column("datasets", "datasets", "count"),
        Column("mean score (SD)", "score_text"),
        *([Column("not told apart", "not_told_apart")] if tests else []),
    ]
    shown = [
        {
            **row,
            "rank_text": f"{row['mean_rank']:.2f}",
            "score_text": f"{row['mean']:.4g} ({row['deviation']:.3g})",
        }
        for row in ranks
    ]
    blocks: list[Block] = [Table(columns, shown, "mean ranks over datasets, 1 is best; ties share ranks", blocks=True)]
    if tests:
        blocks.append(Facts([_test_facts(row) for row in tests]))
    region, level = arguments["region"], arguments["level"]
    correction = CORRECTIONS[arguments["correction"]]
    adjusted = f"P, {correction}" if correction and len(pairs) > 1 else ""
    columns = [
        *of,
        Column("first - second", "pair"),
        Column("n", "datasets", "count"),
        Column("median difference", "median_text", "count"),
        Column("first better", "first_text", least=6),
        Column("equivalent", "equivalent_text", least=6),
        Column("second better", "second_text", least=6),
        Column("posterior", "finding", least=12),
        Column("P, Wilcoxon", "p_text", least=8),
        *([Column(adjusted, "adjusted", least=8)] if adjusted else []),
    ]
    texts = {"first_text": "first_better", "equivalent_text": "equivalent", "second_text": "second_better"}
    shown = [
        {
            **row,
            "pair": f"{row['first']} - {row['second']}",
            "median_text": f"{row['median']:+.3g}",
            **{name: probability_text(row[key]) for name, key in texts.items()},
            "p_text": p_text(row["p"]),
            "adjusted": p_text(row["p_adjusted"]),
            "caution": "",
        }
        for row in pairs
    ]
    title = (
        f"Bayesian signed-rank test: probabilities on a new dataset like these, equivalent within {region:g}; decided "
        f"from {level:g} on"
    )
    return [*blocks, Table(columns, shown, title, blocks=True)]


def _test_facts(row: Row) -> tuple[str, str]:
    name = f"Friedman, {row['label']}" if "label" in row else "Friedman"
    f = "F infinite" if row["f"] is None else f"F = {row['f']:.3g}"
    return name, (
        f"{row['finding']}: {row['methods']} methods, {row['datasets']} datasets, mean ranks {row['rank_spread']:.2f} "
        f"apart; chi-square = {row['chi_square']:.3g}, P = {p_text(row['p_chi_square'])}; {f}, "
        f"P = {p_text(row['p_f'])} (Iman & Davenport); critical difference {row['critical_difference']:.2f} (Nemenyi)"
    )


def _drawing(rankings: Sequence[tuple[MethodScores, RankConsensus | None]]) -> Draw:
    """Return what draws the critical difference diagrams."""
    if all(ranking is None for _, ranking in rankings):
        raise DataError("two methods have no critical difference diagram", "leave out --figures")

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.critical_difference import Ranking, draw_critical_differences

        diagrams = [
            Ranking(
                f"{part.facts.get('label', 'all datasets')} (n = {ranking.datasets} datasets)",
                part.methods,
                ranking.mean_ranks,
                ranking.critical_difference,
                ranking.groups,
            )
            for part, ranking in rankings
            if ranking is not None
        ]
        return [draw_critical_differences(diagrams, path("consensus.png"))]

    return draw
