"""Are the probabilities right: Brier score, calibration errors, slope and intercept, before and after recalibration."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.errors import DataError
from cxrshort.results import Block, Column, Result, Table
from cxrshort.stats.calibration import EDGE, Calibration, calibration_caution
from cxrshort.stats.calibration import calibration as measure_calibration
from cxrshort.stats.midranks import Floats
from cxrshort.stats.recalibration import Recalibration, fit_platt, fit_temperature
from cxrshort.stats.reliability import ClassProbabilities, ReliabilityPoint, class_probabilities, reliability_points
from cxrshort.verbs.stats.estimates import NAME_WIDTH, interval_cell, interval_columns, name_rows
from cxrshort.verbs.stats.output import Draw, check_figures, check_intervals, clean_record, write_result
from cxrshort.verbs.stats.probabilities import ScoreScale, scale_notes, score_scale
from cxrshort.verbs.stats.scores import Scores, ScoreTable, check_groups, read_scores
from cxrshort.verbs.stats.validation import Validation, identity_columns, read_validation

KIND = "stats-calibration"
AS_SCORED = "as scored"
FIT_ON = "--fit-on"
_FITS = {"temperature": fit_temperature, "Platt": fit_platt}
_PARTS = ("reliability", "resolution", "uncertainty", "within", "skill")
_WIDTH = 24
"""Characters of a number with its interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Hold one label, model, test set and group, with its probabilities as scored or after a recalibration.

    Args:
        part: the rows.
        facts: what stands in every row about it.
        probabilities: (N,).
    """

    part: Scores
    facts: Mapping[str, Any]
    probabilities: Floats

    @property
    def sample(self) -> tuple[Floats, Floats, Any]:
        """Return what statistics take."""
        return self.part.targets, self.probabilities, self.part.persons


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """Hold what was fitted on validation images of one model.

    Args:
        part: the validation rows.
        lines: by method.
        reasons: why a method is missing, by method.
    """

    part: Scores
    lines: Mapping[str, Recalibration]
    reasons: Mapping[str, str]


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
    scores = read_scores(
        table, **columns, columns=[by] if by is not None else [], optional=identity_columns(person) if fit_on else []
    )
    check_groups(scores, by)
    scale = score_scale(scores, score, logits=logits)
    validation = None if fit_on is None else read_validation(fit_on, scores, option=FIT_ON, **columns)
    fits = [] if validation is None else _fit(validation, scale=scale, score=score, level=level)
    judged = list(_judge(scores, by, scale=scale, fits=fits))
    rows = [_measure(case, bins=bins, level=level, seed=seed) for case in judged]
    check_intervals(rows, "brier_low", measure="Brier score", table=scores.source.name)
    points, classes = _diagrams(judged, rows, bins=bins, level=level)
    arguments: dict[str, Any] = {"table": str(table), **columns, "logits": logits, "by": by}
    arguments |= {"fit_on": None if fit_on is None else str(fit_on), "bins": bins, "level": level, "seed": seed}
    fit_rows = _fit_rows(fits)
    tables = {"calibrations": rows, "reliability": _point_rows(points), "probabilities": _class_rows(classes)}
    tables |= {"recalibrations": fit_rows} if fit_rows else {}
    notes = [*scores.notes, *([] if validation is None else validation.notes)]
    notes += [*scale_notes(scores, score, logits=logits), *_notes(rows, fit_rows)]
    blocks = _blocks(rows, classes, fit_rows, level=level)
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
    for method, fit in _FITS.items():
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
        numbers = dict.fromkeys(_number_columns())
        return {**case.facts, **counts, "persons": None, **numbers, "reason": error.message, "caution": ""}
    caution = calibration_caution(case.part.targets, case.part.persons)
    return clean_record({**case.facts, **_numbers(measured), "caution": caution})


def _number_columns() -> list[str]:
    names = ["brier", *_PARTS, "ece_width", "ece_mass", "slope", "intercept", "observed_expected"]
    triples = [name + end for name in names for end in ("", "_low", "_high")]
    return [*triples, "ece_width_by_chance", "ece_mass_by_chance", "left_out", "clipped"]


def _numbers(measured: Calibration) -> dict[str, Any]:
    brier = measured.brier
    numbers = {
        "positives": measured.positives,
        "negatives": measured.negatives,
        "persons": measured.persons,
        **interval_columns("brier", brier.score),
    }
    for name in _PARTS:
        numbers |= interval_columns(name, getattr(brier, name))
    numbers |= interval_columns("ece_width", measured.ece_width) | interval_columns("ece_mass", measured.ece_mass)
    numbers |= interval_columns("slope", measured.slope) | interval_columns("intercept", measured.intercept)
    numbers |= interval_columns("observed_expected", measured.observed_to_expected)
    by_chance = dict(zip(("ece_width_by_chance", "ece_mass_by_chance"), measured.chance_ece, strict=True))
    counts = {"left_out": measured.left_out, "clipped": measured.clipped}
    return {**numbers, **by_chance, **counts, "reason": measured.reason}


def _diagrams(
    judged: Sequence[Judged], rows: Sequence[Mapping[str, Any]], *, bins: int, level: float
) -> tuple[list[tuple[Judged, list[ReliabilityPoint]]], list[tuple[Judged, list[ClassProbabilities]]]]:
    """Return the points of the diagrams and the distributions in each class, where there is a Brier score."""
    shown = [case for case, row in zip(judged, rows, strict=True) if row["brier"] is not None]
    points = [(case, reliability_points(*case.sample, bins=bins, level=level)) for case in shown]
    classes = [(case, class_probabilities(*case.sample, level=level)) for case in shown]
    return points, classes


def _point_rows(points: Sequence[tuple[Judged, Sequence[ReliabilityPoint]]]) -> list[dict[str, Any]]:
    return [
        clean_record(
            {
                **case.facts,
                "start": point.start,
                "end": point.end,
                "predicted": point.predicted,
                **interval_columns("observed", point.observed),
                "images": point.images,
                "persons": point.persons,
            }
        )
        for case, bins in points
        for point in bins
    ]


def _class_rows(classes: Sequence[tuple[Judged, Sequence[ClassProbabilities]]]) -> list[dict[str, Any]]:
    return [
        clean_record(
            {
                **case.facts,
                "target": part.target,
                "images": part.images,
                **interval_columns("median", part.median),
                "quarter": part.quartiles[0],
                "three_quarters": part.quartiles[2],
                **{f"to_{end:.2f}": count for end, count in zip(part.edges[1:], part.counts, strict=True)},
            }
        )
        for case, parts in classes
        for part in parts
    ]


def _fit_rows(fits: Sequence[Fits]) -> list[dict[str, Any]]:
    """Return a row for each recalibration that was fitted, or the reason why it was not."""
    rows = []
    for fitted in {id(one.part): one for one in fits}.values():
        for method in _FITS:
            line = fitted.lines.get(method)
            numbers = interval_columns("slope", line and line.slope) | interval_columns(
                "intercept", line and line.intercept
            )
            rows.append(
                clean_record(
                    {
                        **fitted.part.facts,
                        "recalibration": method,
                        "images": len(fitted.part.targets) if line is None else line.images,
                        "persons": None if line is None else line.persons,
                        **numbers,
                        "temperature": line.temperature if line is not None and method == "temperature" else None,
                        "reason": fitted.reasons.get(method, ""),
                        "caution": "" if line is None else line.caution,
                    }
                )
            )
    return rows


def _notes(rows: Sequence[Mapping[str, Any]], fit_rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what must be known of the numbers."""
    names, _ = name_rows(rows, "recalibration")
    notes = [f"{name}: {row['reason']}" for name, row in zip(names, rows, strict=True) if row["reason"]]
    notes += [
        f"{row['label']}: {row['recalibration']} is not fitted: {row['reason']}" for row in fit_rows if row["reason"]
    ]
    notes += [f"{row['label']}, {row['recalibration']}: {row['caution']}" for row in fit_rows if row["caution"]]
    clipped = max(row["clipped"] or 0 for row in rows)
    if clipped:
        notes.append(f"for slope and intercept, up to {clipped:,} probabilities are moved to {EDGE:g} from 0 or 1")
    left_out = max(row["left_out"] or 0 for row in rows)
    if left_out:
        notes.append(f"soft targets, between 0 and 1, are left out: up to {left_out:,}")
    return notes


def _blocks(
    rows: Sequence[Mapping[str, Any]],
    classes: Sequence[tuple[Judged, Sequence[ClassProbabilities]]],
    fit_rows: Sequence[Mapping[str, Any]],
    *,
    level: float,
) -> list[Block]:
    """Return what people see."""
    names, shared = name_rows(rows, "recalibration")
    heads = [
        Column("probabilities of", "name", least=NAME_WIDTH),
        Column("pos.", "positives", "count"),
        Column("neg.", "negatives", "count"),
        Column("persons", "persons_text", "count"),
    ]
    estimates = {
        "Brier score": "brier",
        "skill": "skill",
        "ECE, equal width": "ece_width",
        "ECE, equal mass": "ece_mass",
        "slope": "slope",
        "intercept": "intercept",
        "observed:expected": "observed_expected",
    }
    columns = [Column(heading, f"{name}_text", least=_WIDTH) for heading, name in estimates.items()]
    columns.insert(4, Column("ECE by chance", "chance", least=12))
    cautions = [Column("caution", "caution")] if any(row["caution"] for row in rows) else []
    shown = [
        {
            **row,
            "name": name,
            "persons_text": "none" if row["persons"] is None else row["persons"],
            **{f"{key}_text": interval_cell(row, key) for key in estimates.values()},
            "chance": _chance(row),
        }
        for name, row in zip(names, rows, strict=True)
    ]
    perfect = "perfect: slope 1, intercept 0, observed:expected 1"
    title = ", ".join(filter(None, [shared, f"{100 * level:g} % intervals; {perfect}"]))
    blocks: list[Block] = [Table([*heads, *columns, *cautions], shown, title, blocks=True)]
    if classes:
        blocks.append(_class_table(rows, classes, level=level))
    if fit_rows:
        blocks.append(_fit_table(fit_rows))
    return blocks


def _chance(row: Mapping[str, Any]) -> str:
    values = [row["ece_width_by_chance"], row["ece_mass_by_chance"]]
    return "none" if None in values else ", ".join(f"{value:.3f}" for value in values)


def _class_table(
    rows: Sequence[Mapping[str, Any]], classes: Sequence[tuple[Judged, Sequence[ClassProbabilities]]], *, level: float
) -> Table:
    """Return the distribution of predicted probabilities in each class."""
    names, _ = name_rows([row for row in rows if row["brier"] is not None], "recalibration")
    shown = []
    for name, (_, parts) in zip(names, classes, strict=True):
        for part in parts:
            row = interval_columns("median", part.median)
            shown.append(
                {
                    "name": name,
                    "class": ("negatives", "positives")[part.target],
                    "images": part.images,
                    "median": interval_cell(row, "median"),
                    "quarter": f"{part.quartiles[0]:.3f}",
                    "three_quarters": f"{part.quartiles[2]:.3f}",
                }
            )
    columns = [
        Column("probabilities of", "name", least=NAME_WIDTH),
        Column("class", "class"),
        Column("images", "images", "count"),
        Column("25 %", "quarter", least=5),
        Column("median", "median", least=_WIDTH),
        Column("75 %", "three_quarters", least=5),
    ]
    return Table(
        columns, shown, f"predicted probabilities in each class; median with {100 * level:g} % interval", blocks=True
    )


def _fit_table(fit_rows: Sequence[Mapping[str, Any]]) -> Table:
    names, _ = name_rows(fit_rows, "recalibration")
    shown = [
        {
            "name": name,
            "images": row["images"],
            "persons": "none" if row["persons"] is None else row["persons"],
            "temperature": "" if row["temperature"] is None else f"{row['temperature']:.3f}",
            "slope": interval_cell(row, "slope"),
            "intercept": "0" if row["recalibration"] == "temperature" else interval_cell(row, "intercept"),
        }
        for name, row in zip(names, fit_rows, strict=True)
    ]
    columns = [
        Column("fitted on validation", "name", least=NAME_WIDTH),
        Column("images", "images", "count"),
        Column("persons", "persons", "count"),
        Column("temperature", "temperature"),
        Column("slope", "slope", least=_WIDTH),
        Column("intercept", "intercept", least=_WIDTH),
    ]
    return Table(columns, shown, "recalibrated logit = slope * logit + intercept; slope = 1 / temperature", blocks=True)


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
