"""What ``stats operating-point`` writes and shows: rows for files and programs, tables for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort.errors import DataError
from cxrshort.results import Block, Column, Table
from cxrshort.stats.decision_curves import DecisionPoint
from cxrshort.stats.operating_points import OperatingPoint
from cxrshort.stats.operating_points import operating_point as measure_point
from cxrshort.verbs.stats.estimates import NAME_WIDTH, interval_cell, interval_columns, name_rows
from cxrshort.verbs.stats.output import clean_record
from cxrshort.verbs.stats.probabilities import ScoreScale
from cxrshort.verbs.stats.scores import Scores
from cxrshort.verbs.stats.threshold_rules import ThresholdRule

USEFUL, WORSE, NOT_SHOWN = "useful", "worse", "not shown"
_RATES = ("sensitivity", "specificity", "ppv", "npv")
_FACTS = ("label", "training", "training_id", "dataset", "dataset_id", "role", "replicate", "group")
_WIDTH = 24
"""Characters of a number with its interval."""


def operating_point_row(
    group: str,
    part: Scores,
    threshold: float | DataError,
    *,
    rule: ThresholdRule,
    scale: ScoreScale,
    prevalence: float | None,
    level: float,
) -> dict[str, Any]:
    """Return the row of one label, model, test set and group."""
    facts = {**part.facts, **({"group": group} if group else {}), "rule": rule.text}
    point, elsewhere, reason = None, None, ""
    if isinstance(threshold, DataError):
        reason = f"validation: {threshold.message}"
    else:
        sample = part.targets, part.scores, part.persons
        try:
            point = measure_point(*sample, threshold=threshold, level=level)
            if prevalence is not None:
                elsewhere = measure_point(*sample, threshold=threshold, prevalence=prevalence, level=level)
        except DataError as error:
            reason = error.message
    if point is not None and point.persons < 2:
        point, elsewhere, reason = None, None, f"all {len(part.targets)} images are of one person"
    rates = _rates(point, elsewhere)
    if point is not None and not reason:
        reason = "" if point.sensitivity and point.specificity else _missing(point)
    counts = _counts(part, point)
    cuts = _cuts(threshold, scale)
    return clean_record({**facts, **cuts, **counts, **rates, "target_prevalence": prevalence, "reason": reason})


def _cuts(threshold: float | DataError, scale: ScoreScale) -> dict[str, float | None]:
    if isinstance(threshold, DataError):
        return {"threshold": None, **({"threshold_logit": None} if scale.is_logit else {})}
    return {
        "threshold": scale.probability(threshold),
        **({"threshold_logit": threshold} if scale.is_logit else {}),
    }


def _counts(part: Scores, point: OperatingPoint | None) -> dict[str, Any]:
    positives, negatives = (int((part.targets == target).sum()) for target in (1, 0))
    names = ("true_positives", "false_positives", "false_negatives", "true_negatives", "persons")
    return {
        "positives": positives,
        "negatives": negatives,
        **{name: None if point is None else getattr(point, name) for name in names},
        "prevalence": None if point is None else point.prevalence,
    }


def _rates(point: OperatingPoint | None, elsewhere: OperatingPoint | None) -> dict[str, float | None]:
    rates: dict[str, float | None] = {}
    for name in _RATES:
        rates |= interval_columns(name, None if point is None else getattr(point, name))
    for name in ("ppv", "npv"):
        rates |= interval_columns(f"{name}_at_target", None if elsewhere is None else getattr(elsewhere, name))
    return rates


def _missing(point: OperatingPoint) -> str:
    return "only negatives" if point.sensitivity is None else "only positives"


def benefit_row(row: Mapping[str, Any], point: DecisionPoint) -> dict[str, Any]:
    """Return the net benefit at one threshold as a row.

    Args:
        row: of the operating point, whose facts it shares.
        point: of the decision curve.
    """
    return clean_record(
        {
            **{name: row[name] for name in _FACTS if name in row},
            "threshold": point.threshold,
            **interval_columns("net_benefit", point.net_benefit),
            **interval_columns("treat_all", point.treat_all),
            "treat_none": 0.0,
            **interval_columns("over_all", point.over_all),
            "finding": _finding(point),
            "caution": point.caution,
        }
    )


def _finding(point: DecisionPoint) -> str:
    """Return whether the model is shown to be above treating all and treating none, or below one of them."""
    if point.is_useful:
        return USEFUL
    return WORSE if point.net_benefit.high < 0 or point.over_all.high < 0 else NOT_SHOWN


def operating_point_blocks(
    rows: Sequence[Mapping[str, Any]],
    benefits: Sequence[Mapping[str, Any]],
    rule: ThresholdRule,
    *,
    prevalence: float | None,
    level: float,
) -> list[Block]:
    """Return what people see.

    Args:
        rows: of operating points.
        benefits: of the net benefit at the thresholds that are printed.
        rule: that decided the threshold.
        prevalence: of the place of use; None for that of each test set.
        level: coverage of the intervals.
    """
    names, shared = name_rows(rows)
    rates = {"sensitivity": "sensitivity", "specificity": "specificity", "PPV": "ppv", "NPV": "npv"}
    if prevalence is not None:
        rates |= {f"PPV at {100 * prevalence:g} %": "ppv_at_target", f"NPV at {100 * prevalence:g} %": "npv_at_target"}
    columns = [
        Column("decisions on", "name", least=NAME_WIDTH),
        Column("threshold", "cut"),
        Column("pos.", "positives", "count"),
        Column("neg.", "negatives", "count"),
        Column("persons", "persons_text", "count"),
        *(Column(heading, f"{name}_text", least=_WIDTH) for heading, name in rates.items()),
    ]
    shown = [
        {
            **row,
            "name": name,
            "cut": "none" if row["threshold"] is None else f"{row['threshold']:.3g}",
            "persons_text": "none" if row["persons"] is None else row["persons"],
            **{f"{key}_text": interval_cell(row, key) for key in rates.values()},
        }
        for name, row in zip(names, rows, strict=True)
    ]
    chosen = "threshold stated" if rule.threshold is not None else f"threshold chosen on validation images: {rule.text}"
    title = ", ".join(filter(None, [shared, f"{100 * level:g} % intervals", chosen]))
    return [Table(columns, shown, title, blocks=True), _benefit_table(benefits, prevalence)]


def _benefit_table(benefits: Sequence[Mapping[str, Any]], prevalence: float | None) -> Table:
    names, _ = name_rows(benefits)
    columns = [
        Column("treated from a threshold of", "name", least=NAME_WIDTH),
        Column("finding", "finding", least=9),
        Column("net benefit", "net_benefit_text", least=_WIDTH),
        Column("gain over treat all", "over_all_text", least=_WIDTH),
        Column("treat all", "treat_all_text", least=_WIDTH),
    ]
    shown = [
        {
            **row,
            "name": f"{row['threshold']:g}: {name}",
            "finding": row["finding"] + (f" ({row['caution']})" if row["caution"] else ""),
            **{f"{key}_text": interval_cell(row, key) for key in ("net_benefit", "treat_all", "over_all")},
        }
        for name, row in zip(names, benefits, strict=True)
    ]
    where = "" if prevalence is None else f" at a prevalence of {100 * prevalence:g} %"
    meaning = "treat none has 0; useful: above both treat all and treat none; worse: below one of them"
    title = f"net benefit{where} in true positives per image, {meaning}"
    return Table(columns, shown, title, blocks=True)
