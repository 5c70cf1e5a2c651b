"""Decisions at a threshold that validation images chose: sensitivity, specificity, predictive values, net benefit."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Result
from cxrshort.stats.calibration import calibration_in_the_large
from cxrshort.stats.decision_curves import DecisionPoint, decision_curve
from cxrshort.verbs.stats.estimates import name_rows
from cxrshort.verbs.stats.operating_point_tables import benefit_row, operating_point_blocks, operating_point_row
from cxrshort.verbs.stats.output import Draw, check_figures, check_intervals, write_result
from cxrshort.verbs.stats.probabilities import ScoreScale, scale_notes
from cxrshort.verbs.stats.scores import Scores
from cxrshort.verbs.stats.threshold_rules import ThresholdRule
from cxrshort.verbs.stats.validation import Validation, read_with_validation

KIND = "stats-operating-point"
VAL = "--val"
BENEFIT_AT = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Thresholds whose net benefit is printed."""
_CURVE = tuple(np.round(np.arange(0.01, 1, 0.01), 2).tolist())
"""Thresholds of the curve."""
_MOST_NAMED = 6
"""Rows that a note names."""


def operating_point(
    table: str | Path,
    *,
    target: str | None = None,
    score: str | None = None,
    logits: bool = False,
    person: str | None = None,
    label: str | None = None,
    by: str | None = None,
    val: str | Path | None = None,
    threshold: float | None = None,
    sensitivity: float | None = None,
    specificity: float | None = None,
    miss_cost: float | None = None,
    prevalence: float | None = None,
    benefit_at: Sequence[float] = BENEFIT_AT,
    level: float = 0.95,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Measure the decisions of every label, model and test set at a threshold, and their net benefit at several.

    Args:
        table: predictions of evaluate (file or folder), any CSV or Parquet table, or ``-`` for standard input.
        target: the column of targets, 0 or 1; None for the labels of predictions.
        score: the column of probabilities, or of logits.
        logits: ``score`` holds logits.
        person: the column that says whose image a row is; None for ``person_id``, if there is one.
        label: one label of predictions; None for all.
        by: a column whose values are measured apart, at the threshold of all.
        val: a table of validation images, with the same columns, on which the threshold is chosen.
        threshold: a probability, in place of ``val``.
        sensitivity: choose the largest threshold with this sensitivity on ``val``.
        specificity: choose the smallest threshold with this specificity on ``val``.
        miss_cost: choose the threshold of least cost on ``val``; what a missed positive costs, in false alarms.
        prevalence: of the place of use, for predictive values and net benefit there.
        benefit_at: thresholds whose net benefit is printed.
        level: coverage of the intervals.
        out: a folder for operating_points.csv, net_benefit.csv, summary.json and run.json; None writes nothing.
        figures: draw operating_point.png and net_benefit.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: the table breaks a rule, scores are no probabilities, or no sensitivity can be given an interval.
        UsageError: options that exclude each other, none that says what the threshold is, or a number out of range.
    """
    check_figures(out, figures=figures)
    rule = ThresholdRule(threshold, sensitivity, specificity, miss_cost)
    _check_rule(rule, val)
    columns = {"target": target, "score": score, "person": person, "label": label}
    scores, scale, validation = read_with_validation(table, val, option=VAL, columns=columns, by=by, logits=logits)
    points = _thresholds(scores.parts, rule, scale, validation=validation, prevalence=prevalence)
    measured = [
        (group, part, value) for whole, value in zip(scores.parts, points, strict=True) for group, part in whole.by(by)
    ]
    rows = [
        operating_point_row(group, part, value, rule=rule, scale=scale, prevalence=prevalence, level=level)
        for group, part, value in measured
    ]
    check_intervals(rows, "sensitivity_low", measure="sensitivity", table=scores.source.name)
    curves = [_curve(part, scale, benefit_at=benefit_at, prevalence=prevalence, level=level) for _, part, _ in measured]
    benefits = [benefit_row(row, point) for row, curve in zip(rows, curves, strict=True) for point in curve]
    arguments: dict[str, Any] = {"table": str(table), **columns, "logits": logits, "by": by}
    arguments |= {"val": None if val is None else str(val), "threshold": threshold, "sensitivity": sensitivity}
    arguments |= {"specificity": specificity, "miss_cost": miss_cost, "prevalence": prevalence}
    arguments |= {"benefit_at": list(benefit_at), "level": level}
    notes = [*scores.notes, *([] if validation is None else validation.notes)]
    notes += [
        *scale_notes(scores, score, logits=logits),
        *_notes(rows, [part for _, part, _ in measured], scale, level),
    ]
    printed = [row for row in benefits if row["threshold"] in benefit_at]
    blocks = operating_point_blocks(rows, printed, rule, prevalence=prevalence, level=level)
    summary = {**arguments, "operating_points": rows, "net_benefit": benefits}
    return write_result(
        Result(summary, blocks, notes=notes, kind=KIND),
        "stats operating-point",
        source=[scores.source, *([] if validation is None else [validation.table.source])],
        arguments=arguments,
        out=out,
        tables={"operating_points.csv": rows, "net_benefit.csv": benefits},
        draw=_drawing(rows, curves, prevalence) if figures else None,
        force=force,
    )


def _check_rule(rule: ThresholdRule, val: str | Path | None) -> None:
    """Refuse a rule without validation images, and validation images without a use."""
    if rule.threshold is not None and val is not None:
        raise UsageError(f"--threshold and {VAL} exclude each other", "give one of them")
    if rule.threshold is None and val is None:
        raise UsageError(
            "nothing says at which threshold images are positive", f"{VAL} TABLE chooses one, --threshold X states one"
        )


def _thresholds(
    parts: Sequence[Scores],
    rule: ThresholdRule,
    scale: ScoreScale,
    *,
    validation: Validation | None,
    prevalence: float | None,
) -> list[float | DataError]:
    """Return the threshold of each part, or why none can be chosen."""
    if validation is None:
        return [scale.score(rule.threshold or 0.5)] * len(parts)
    thresholds: list[float | DataError] = []
    for part in validation.parts:
        try:
            thresholds.append(rule.choose(part, prevalence))
        except DataError as error:
            thresholds.append(error)
    return thresholds


def _curve(
    part: Scores, scale: ScoreScale, *, benefit_at: Sequence[float], prevalence: float | None, level: float
) -> list[DecisionPoint]:
    """Return the decision curve of one label, model, test set and group; empty where there is none."""
    thresholds = sorted({*_CURVE, *benefit_at})
    sample = part.targets, scale.probabilities(part.scores), part.persons
    try:
        return decision_curve(*sample, thresholds=thresholds, prevalence=prevalence, level=level)
    except DataError:  # its reason is that of the operating point
        return []


def _notes(rows: Sequence[Mapping[str, Any]], parts: Sequence[Scores], scale: ScoreScale, level: float) -> list[str]:
    """Return the caveats that readers of the numbers need."""
    names, _ = name_rows(rows)
    notes = [f"{name}: {row['reason']}" for name, row in zip(names, rows, strict=True) if row["reason"]]
    wrong = [name for name, part in zip(names, parts, strict=True) if _is_miscalibrated(part, scale, level)]
    if wrong:
        more = f", and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        notes.append(
            f"probabilities are miscalibrated in the large, and net benefit takes them as they are "
            f"({'; '.join(wrong[:_MOST_NAMED])}{more}); stats calibration shows by how much"
        )
    return notes


def _is_miscalibrated(part: Scores, scale: ScoreScale, level: float) -> bool:
    """Return whether probabilities are shown to be too high or too low on average."""
    try:
        shift = calibration_in_the_large(part.targets, scale.probabilities(part.scores), part.persons, level=level)
    except DataError:
        return False
    return not shift.low <= 0 <= shift.high


def _drawing(
    rows: Sequence[Mapping[str, Any]], curves: Sequence[Sequence[DecisionPoint]], prevalence: float | None
) -> Draw:
    """Return what draws the rates and the decision curves."""
    names, _ = name_rows(rows)

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.decision_curves import DecisionPanel, draw_decision_curves
        from cxrshort.figures.intervals import Estimate, draw_intervals

        rates = {"sensitivity": "sensitivity", "specificity": "specificity", "PPV": "ppv", "NPV": "npv"}
        if prevalence is not None:
            rates |= {f"{rate} at {100 * prevalence:g} %": f"{rate.lower()}_at_target" for rate in ("PPV", "NPV")}
        estimates = [
            Estimate(heading, name, *(row[key + end] for end in ("", "_low", "_high")))
            for name, row in zip(names, rows, strict=True)
            for heading, key in rates.items()
            if row[key] is not None
        ]
        panels = [
            DecisionPanel(name, curve, f"prevalence {row['prevalence'] if prevalence is None else prevalence:.3g}")
            for name, row, curve in zip(names, rows, curves, strict=True)
            if curve and row["prevalence"] is not None
        ]
        return [
            draw_intervals(estimates, path("operating_point.png"), measure="share of images"),
            draw_decision_curves(panels, path("net_benefit.png")),
        ]

    return draw
