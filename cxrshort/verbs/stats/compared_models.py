"""Two models on the same images: rows of the differences of AUCs and of decisions, and how they are printed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.errors import DataError
from cxrshort.results import Column, Table, interval_text
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.claims import FalseClaim, false_claim_of_aucs
from cxrshort.stats.comparisons import compare_models
from cxrshort.stats.paired_decisions import compare_decisions
from cxrshort.verbs.stats.corrections import correct_rows, finding, p_heading
from cxrshort.verbs.stats.output import Draw, clean_record
from cxrshort.verbs.stats.pairs import Pair

Row = dict[str, Any]
_ESTIMATE = 24
"""Characters of a signed number with its interval."""


def run_of(row: Mapping[str, Any]) -> Any:
    """Return what the tests of one family agree in: replicate and seed, each of which repeats the question."""
    return row.get("replicate"), row.get("seed")


def compare_aucs(
    pairs: Sequence[tuple[str, Pair]], *, draws: int, seed: int, level: float, correction: str
) -> list[Row]:
    """Return the row of each pair: AUCs, difference, both tests and the claim.

    Args:
        pairs: each with its subgroup, "" for none.
        draws: resamples of persons; 0 for none.
        seed: of the resamples.
        level: coverage of the intervals; a corrected p-value above 1 - level shows nothing.
        correction: for all rows of one replicate.
    """
    rows = [_compare(group, pair, draws=draws, seed=seed, level=level) for group, pair in pairs]
    return [
        clean_record({**row, "finding": finding(row["difference"], row["p_adjusted"], level)})
        for row in correct_rows(rows, correction, family=run_of)
    ]


def _compare(group: str, pair: Pair, *, draws: int, seed: int, level: float) -> Row:
    sample: dict[str, Any] = {"before": pair.before, "after": pair.after, "clusters": pair.persons}
    rng = np.random.default_rng(seed)
    comparison = compare_models(pair.targets, **sample, rng=rng, level=level, draws=draws)
    paired = comparison.paired
    claim = _claim(pair) if paired.p_value is not None else None
    areas = {
        f"auc_{name}{suffix}": value
        for name, scores in (("before", pair.before), ("after", pair.after))
        for interval in (auc_interval(pair.targets, scores, pair.persons, level=level),)
        for suffix, value in (("", interval.auc), ("_low", interval.low), ("_high", interval.high))
    }
    return {
        **pair.facts,
        **({"group": group} if group else {}),
        **{name: getattr(comparison, name) for name in ("positives", "negatives", "persons")},
        **areas,
        **{name: getattr(paired, name) for name in ("difference", "low", "high", "method")},
        "p": paired.p_value,
        **{name: getattr(comparison, name) for name in ("bootstrap_low", "bootstrap_high", "bootstrap_p", "draws")},
        **describe_claim(claim),
        "reason": paired.reason,
        "caution": paired.caution,
    }


def _claim(pair: Pair) -> FalseClaim | None:
    try:
        return false_claim_of_aucs(pair.targets, first=pair.after, second=pair.before, clusters=pair.persons)
    except DataError:  # the same that left the test without a variance, which stands in its reason
        return None


def describe_claim(claim: FalseClaim | None) -> Row:
    """Return the columns of the claim that the second is better."""
    return {
        "claim_false": None if claim is None else claim.probability,
        "claim_method": "" if claim is None else claim.method,
        "claim_caution": "" if claim is None else claim.caution,
    }


def compare_hits(pairs: Sequence[tuple[str, Pair]], *, threshold: float, level: float, correction: str) -> list[Row]:
    """Return the row of each pair's decisions at a threshold: accuracies, discordant images, test and claim.

    Args:
        pairs: each with its subgroup, "" for none.
        threshold: a score of at least this says 1.
        level: as for :func:`compare_aucs`.
        correction: likewise.
    """
    rows = [_hits(group, pair, threshold=threshold, level=level) for group, pair in pairs]
    return [
        clean_record({**row, "finding": finding(row["difference"], row["p_adjusted"], level)})
        for row in correct_rows(rows, correction, family=run_of)
    ]


def _hits(group: str, pair: Pair, *, threshold: float, level: float) -> Row:
    decisions = compare_decisions(
        pair.targets,
        before=pair.before,
        after=pair.after,
        threshold=threshold,
        clusters=pair.persons,
        level=level,
    )
    accuracies = {
        f"accuracy_{name}{suffix}": value
        for name in ("before", "after")
        for interval in (getattr(decisions, name),)
        for suffix, value in (("", interval.value), ("_low", interval.low), ("_high", interval.high))
    }
    counts = {name: getattr(decisions, name) for name in ("images", "both", "before_only", "after_only")}
    return {
        **pair.facts,
        **({"group": group} if group else {}),
        "threshold": threshold,
        **counts,
        **accuracies,
        **{name: getattr(decisions, name) for name in ("difference", "low", "high", "method")},
        "p": decisions.p_value,
        **describe_claim(decisions.claim),
    }


def name_columns(rows: Sequence[Mapping[str, Any]], by: str | None) -> list[Column]:
    """Return the columns that say what a row is of."""
    headings = {"dataset": "tested on", "replicate": "repl.", "group": by or "group"}
    return [
        Column(
            headings.get(name, name), name, "count" if name in ("replicate", "seed") else "text", folds=name != "group"
        )
        for name in ("label", "dataset", "role", "replicate", "seed", "group")
        if any(name in row for row in rows)
    ]


def show_aucs(rows: Sequence[Row], *, by: str | None, title: str, correction: str) -> Table:
    """Return the table of AUCs for people."""
    adjusted = p_heading(rows, correction)
    columns = [
        *name_columns(rows, by),
        Column("pos.", "positives", "count"),
        Column("neg.", "negatives", "count"),
        *([Column("persons", "persons", "count")] if any(row["persons"] is not None for row in rows) else []),
        Column("difference of AUCs", "difference", "interval", least=_ESTIMATE),
        Column("P", "p_text", least=8),
        *([Column(adjusted, "adjusted", least=8)] if adjusted else []),
        Column("finding", "finding", least=9),
        Column("claim false", "claim", least=5),
        Column("AUC before", "before", least=22),
        Column("AUC after", "after", least=22),
        *(
            [Column("by bootstrap", "bootstrap", least=16), Column("P, bootstrap", "bootstrap_text", least=8)]
            if any(row["draws"] for row in rows)
            else []
        ),
    ]
    return Table(columns, [_shown(row, "auc") for row in rows], title, blocks=True)


def show_hits(rows: Sequence[Row], *, by: str | None, title: str, correction: str) -> Table:
    """Return the table of decisions for people."""
    adjusted = p_heading(rows, correction)
    columns = [
        *name_columns(rows, by),
        Column("images", "images", "count"),
        Column("both right", "both", "count"),
        Column("before only", "before_only", "count"),
        Column("after only", "after_only", "count"),
        Column("difference of accuracies", "difference", "interval", least=_ESTIMATE),
        Column("P", "p_text", least=8),
        *([Column(adjusted, "adjusted", least=8)] if adjusted else []),
        Column("finding", "finding", least=9),
        Column("claim false", "claim", least=5),
        Column("accuracy before", "before", least=22),
        Column("accuracy after", "after", least=22),
    ]
    return Table(columns, [_shown(row, "accuracy") for row in rows], title, blocks=True)


def _shown(row: Row, measure: str) -> Row:
    texts = {
        "p_text": p_text(row["p"]),
        "adjusted": p_text(row["p_adjusted"]),
        "claim": probability_text(row["claim_false"]),
        "before": _interval(row, f"{measure}_before"),
        "after": _interval(row, f"{measure}_after"),
        "bootstrap_text": p_text(row.get("bootstrap_p")),
        "bootstrap": "",
    }
    if row.get("bootstrap_low") is not None:
        texts["bootstrap"] = f"[{row['bootstrap_low']:z.3f}, {row['bootstrap_high']:z.3f}]"
    role = {"role": row["role"] or "unknown"} if "role" in row else {}
    return {**row, **texts, **role}


def _interval(row: Row, name: str) -> str:
    value, low, high = (row[name + suffix] for suffix in ("", "_low", "_high"))
    return "none" if value is None or low is None else interval_text(value, low, high)


def p_text(p: float | None) -> str:
    """Return a p-value with three digits, "" where there is none.

    Example:
        >>> p_text(0.22222), p_text(1.0), p_text(8.8575e-5), p_text(None)
        ('0.222', '1.00', '8.86e-05', '')
    """
    return "" if p is None else f"{p:#.3g}"


def probability_text(probability: float | None) -> str:
    """Return a probability with two digits; what rounds to nothing is bounded.

    Example:
        >>> probability_text(0.2134), probability_text(0.0342), probability_text(0.0001), probability_text(0.99996)
        ('0.21', '0.034', '< 0.001', '> 0.999')
    """
    if probability is None:
        return "none"
    if probability < 0.001:
        return "< 0.001"
    if probability > 0.999:
        return "> 0.999"
    return f"{probability:.2f}" if probability >= 0.0995 else f"{probability:#.2g}"


def draw_differences(rows: Sequence[Row], *, measure: str) -> Draw:
    """Return what draws the differences with their intervals."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.intervals import Estimate, draw_intervals

        estimates = [
            Estimate(_row_name(row), _heading(row), row["difference"], row["low"], row["high"])
            for row in rows
            if row["difference"] is not None
        ]
        return [draw_intervals(estimates, path("compare.png"), measure=measure, reference=0.0)]

    return draw


def _row_name(row: Row) -> str:
    names = [f"{name} {row[name]}" for name in ("replicate", "seed") if name in row]
    return ", ".join(filter(None, [str(row.get("group", "")), *names])) or "all images"


def _heading(row: Row) -> str:
    return ", ".join(filter(None, [str(row["label"]), str(row.get("dataset", ""))]))
