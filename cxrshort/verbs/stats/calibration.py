"""Are the probabilities right: Brier score, calibration errors, slope and intercept, before and after recalibration."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.errors import DataError
from cxrshort.results import Result
from cxrshort.stats.calibration import EDGE, calibration_caution
from cxrshort.stats.calibration import calibration as measure_calibration
from cxrshort.stats.recalibration import fit_platt, fit_temperature
from cxrshort.stats.reliability import ClassProbabilities, ReliabilityPoint, class_probabilities, reliability_points
from cxrshort.verbs.stats.calibration_tables import (
    PLATT,
    TEMPERATURE,
    Fits,
    Judged,
    calibration_blocks,
    calibration_numbers,
    class_rows,
    fit_rows,
    number_columns,
    point_rows,
)
from cxrshort.verbs.stats.estimates import interval_cell, name_rows
from cxrshort.verbs.stats.output import Draw, check_figures, check_intervals, clean_record, write_result
from cxrshort.verbs.stats.probabilities import ScoreScale, scale_notes, score_scale
from cxrshort.verbs.stats.scores import Scores, ScoreTable
from cxrshort.verbs.stats.validation import Validation, read_with_validation

KIND = "stats-calibration"
AS_SCORED = "as scored"
FIT_ON = "--fit-on"
FITS = {TEMPERATURE: fit_temperature, PLATT: fit_platt}


def calibration(
    table: str | Path,
    *,
    target: str | None = None,
    score: str | None = None,
    logits: bool = False,
    person: str | None = None,
    label: str | None = None,
    by: str | None = None,
    fit_on: str | Path | None = None,
    bins: int = 10,
    level: float = 0.95,
    seed: int = 0,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Measure the calibration of every label, model and test set of a table, before and after recalibration.

    Args:
        table: predictions of evaluate (file or folder), any CSV or Parquet table, or ``-`` for standard input.
        target: the column of targets, 0 or 1; None for the labels of predictions.
        score: the column of probabilities, or of logits.
        logits: ``score`` holds logits.
        person: the column that says whose image a row is; None for ``person_id``, if there is one.
        label: one label of predictions; None for all.
        by: a column whose values are measured apart.
        fit_on: a table of validation images, with the same columns, on which temperature and Platt's line are fitted.
        bins: bins of calibration errors and diagrams.
        level: coverage of the intervals.
        seed: of the resampled persons.
        out: a folder for the tables, summary.json and run.json; None writes nothing.
        figures: draw calibration.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: the table breaks a rule, scores are no probabilities, or no Brier score can be given an interval.
        UsageError: options that exclude each other, or a level or number of bins out of range.
    """
    check_figures(out, figures=figures)
    columns = {"target": target, "score": score, "person": person, "label": label}
    scores, scale, validation = read_with_validation(
        table, fit_on, option=FIT_ON, columns=columns, by=by, logits=logits
    )
    fits = [] if validation is None else _fit(validation, scale=scale, score=score, level=level)
    judged = list(_judge(scores, by, scale=scale, fits=fits))
    rows = [_measure(case, bins=bins, level=level, seed=seed) for case in judged]
    check_intervals(rows, "brier_low", measure="Brier score", table=scores.source.name)
    points, classes = _diagrams(judged, rows, bins=bins, level=level)
    arguments: dict[str, Any] = {"table": str(table), **columns, "logits": logits, "by": by}
    arguments |= {"fit_on": None if fit_on is None else str(fit_on), "bins": bins, "level": level, "seed": seed}
    recalibrations = fit_rows(fits)
    tables = {"calibrations": rows, "reliability": point_rows(points), "probabilities": class_rows(classes)}
    tables |= {"recalibrations": recalibrations} if recalibrations else {}
    notes = [*scores.notes, *([] if validation is None else validation.notes)]
    notes += [*scale_notes(scores, score, logits=logits), *_notes(rows, recalibrations)]
    blocks = calibration_blocks(rows, classes, recalibrations, level=level)
    result = Result({**arguments, **tables}, blocks, notes=notes, kind=KIND)
    return write_result(
        result,
        "stats calibration",
        source=[scores.source, *([] if validation is None else [validation.table.source])],
        arguments=arguments,
        out=out,
        tables={f"{name}.csv": entries for name, entries in tables.items()},
        draw=_drawing(points, classes, rows) if figures else None,
        force=force,
    )


def _fit(validation: Validation, *, scale: ScoreScale, score: str | None, level: float) -> list[Fits]:
    """Return the recalibrations of each tested part; parts of one model share theirs.

    Raises:
        DataError: nothing can be fitted.
    """
    score_scale(validation.table, score, logits=scale.is_logit)
    by_part: dict[int, Fits] = {}
    for part in validation.parts:
        if id(part) not in by_part:
            by_part[id(part)] = _fit_part(part, scale=scale, level=level)
    if not any(fits.lines for fits in by_part.values()):
        reason = next(reason for fits in by_part.values() for reason in fits.reasons.values())
        raise DataError(f"{validation.table.source.name}: nothing can be fitted ({reason})", "use more images")
    return [by_part[id(part)] for part in validation.parts]


def _fit_part(part: Scores, *, scale: ScoreScale, level: float) -> Fits:
    lines, reasons = {}, {}
    for method, fit in FITS.items():
        try:
            lines[method] = fit(part.targets, scale.logits(part.scores), part.persons, level=level)
        except DataError as error:
            reasons[method] = error.message
    return Fits(part, lines, reasons)


def _judge(scores: ScoreTable, by: str | None, *, scale: ScoreScale, fits: Sequence[Fits]) -> Iterator[Judged]:
    """Yield every label, model, test set and group, as scored and after each recalibration."""
    for number, whole in enumerate(scores.parts):
        lines = fits[number].lines if fits else {}
        for group, part in whole.by(by):
            facts = {**part.facts, **({"group": group} if group else {})}
            shown = {**facts, **({"recalibration": AS_SCORED} if fits else {})}
            yield Judged(part, shown, scale.probabilities(part.scores))
            for method, line in lines.items():
                recalibrated = line.probabilities(scale.logits(part.scores))
                yield Judged(part, {**facts, "recalibration": method}, recalibrated)


def _measure(case: Judged, *, bins: int, level: float, seed: int) -> dict[str, Any]:
    """Return the row of one case, or the reason why there is none."""
    try:
        measured = measure_calibration(*case.sample, rng=np.random.default_rng(seed), bins=bins, level=level)
    except DataError as error:
        targets = case.part.targets
        counts = {"positives": int((targets == 1).sum()), "negatives": int((targets == 0).sum())}
        numbers = dict.fromkeys(number_columns())
        return {**case.facts, **counts, "persons": None, **numbers, "reason": error.message, "caution": ""}
    caution = calibration_caution(case.part.targets, case.part.persons)
    return clean_record({**case.facts, **calibration_numbers(measured), "caution": caution})


def _diagrams(
    judged: Sequence[Judged], rows: Sequence[Mapping[str, Any]], *, bins: int, level: float
) -> tuple[list[tuple[Judged, list[ReliabilityPoint]]], list[tuple[Judged, list[ClassProbabilities]]]]:
    """Return the points of the diagrams and the distributions in each class, where there is a Brier score."""
    shown = [case for case, row in zip(judged, rows, strict=True) if row["brier"] is not None]
    points = [(case, reliability_points(*case.sample, bins=bins, level=level)) for case in shown]
    classes = [(case, class_probabilities(*case.sample, level=level)) for case in shown]
    return points, classes


def _notes(rows: Sequence[Mapping[str, Any]], recalibrations: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the caveats that readers of the numbers need."""
    names, _ = name_rows(rows, "recalibration")
    notes = [f"{name}: {row['reason']}" for name, row in zip(names, rows, strict=True) if row["reason"]]
    if recalibrations:
        fit_names, _ = name_rows(recalibrations, "recalibration")
        reasons = [f"not fitted: {row['reason']}" if row["reason"] else row["caution"] for row in recalibrations]
        notes += [f"{name}: {reason}" for name, reason in zip(fit_names, reasons, strict=True) if reason]
    clipped = max(row["clipped"] or 0 for row in rows)
    if clipped:
        notes.append(f"for slope and intercept, up to {clipped:,} probabilities are moved to {EDGE:g} from 0 or 1")
    left_out = max(row["left_out"] or 0 for row in rows)
    if left_out:
        notes.append(f"soft targets, between 0 and 1, are left out: up to {left_out:,}")
    return notes


def _drawing(
    points: Sequence[tuple[Judged, Sequence[ReliabilityPoint]]],
    classes: Sequence[tuple[Judged, Sequence[ClassProbabilities]]],
    rows: Sequence[Mapping[str, Any]],
) -> Draw:
    """Return what draws the reliability diagrams, with the distribution in each class below."""
    drawn = [row for row in rows if row["brier"] is not None]
    names, _ = name_rows(drawn, "recalibration")

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.calibration import ReliabilityPanel, draw_calibration

        panels = [
            ReliabilityPanel(name, bins, parts, f"slope {interval_cell(row, 'slope')}")
            for name, row, (_, bins), (_, parts) in zip(names, drawn, points, classes, strict=True)
        ]
        return [draw_calibration(panels, path("calibration.png"))]

    return draw
