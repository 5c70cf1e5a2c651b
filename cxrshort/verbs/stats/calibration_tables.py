"""What ``stats calibration`` writes and shows: rows for files and programs, tables for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxrshort.results import Block, Column, Table
from cxrshort.stats.calibration import Calibration
from cxrshort.stats.midranks import Floats
from cxrshort.stats.recalibration import Recalibration
from cxrshort.stats.reliability import ClassProbabilities, ReliabilityPoint
from cxrshort.verbs.stats.estimates import NAME_WIDTH, interval_cell, interval_columns, name_rows
from cxrshort.verbs.stats.output import clean_record
from cxrshort.verbs.stats.scores import Scores

TEMPERATURE, PLATT = "temperature", "Platt"
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


def number_columns() -> list[str]:
    """Return the columns of `calibration_numbers` that are empty where nothing can be measured."""
    names = ["brier", *_PARTS, "ece_width", "ece_mass", "slope", "intercept", "observed_expected"]
    triples = [name + end for name in names for end in ("", "_low", "_high")]
    return [*triples, "ece_width_by_chance", "ece_mass_by_chance", "left_out", "clipped"]


def calibration_numbers(measured: Calibration) -> dict[str, Any]:
    """Return a calibration as columns of a row."""
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


def point_rows(points: Sequence[tuple[Judged, Sequence[ReliabilityPoint]]]) -> list[dict[str, Any]]:
    """Return a row for each bin of each reliability diagram."""
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


def class_rows(classes: Sequence[tuple[Judged, Sequence[ClassProbabilities]]]) -> list[dict[str, Any]]:
    """Return a row for each class: quartiles, median with limits, and the counts of a histogram."""
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


def fit_rows(fits: Sequence[Fits]) -> list[dict[str, Any]]:
    """Return a row for each recalibration that was fitted, or the reason why it was not."""
    rows = []
    for fitted in {id(entry.part): entry for entry in fits}.values():
        for method in (TEMPERATURE, PLATT):
            line = fitted.lines.get(method)
            slope, intercept = (None, None) if line is None else (line.slope, line.intercept)
            numbers = interval_columns("slope", slope) | interval_columns("intercept", intercept)
            rows.append(
                clean_record(
                    {
                        **fitted.part.facts,
                        "recalibration": method,
                        "images": len(fitted.part.targets) if line is None else line.images,
                        "persons": None if line is None else line.persons,
                        **numbers,
                        "temperature": line.temperature if line is not None and method == TEMPERATURE else None,
                        "reason": fitted.reasons.get(method, ""),
                        "caution": "" if line is None else line.caution,
                    }
                )
            )
    return rows


def calibration_blocks(
    rows: Sequence[Mapping[str, Any]],
    classes: Sequence[tuple[Judged, Sequence[ClassProbabilities]]],
    recalibrations: Sequence[Mapping[str, Any]],
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
    if recalibrations:
        blocks.append(_fit_table(recalibrations))
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


def _fit_table(recalibrations: Sequence[Mapping[str, Any]]) -> Table:
    names, _ = name_rows(recalibrations, "recalibration")
    shown = [
        {
            "name": name,
            "images": row["images"],
            "persons": "none" if row["persons"] is None else row["persons"],
            "temperature": "" if row["temperature"] is None else f"{row['temperature']:.3f}",
            "slope": interval_cell(row, "slope"),
            "intercept": "0" if row["temperature"] is not None else interval_cell(row, "intercept"),
        }
        for name, row in zip(names, recalibrations, strict=True)
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
