"""How many images an interval of an AUC or a paired difference needs, and what a test set can show."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Block, Column, Result, Table
from cxrshort.stats.midranks import Floats, Integers
from cxrshort.stats.power import (
    LIKELY_AUCS,
    Design,
    Sampling,
    SetPower,
    images_for_difference,
    images_for_width,
    set_power,
)
from cxrshort.stats.predictions import TARGET
from cxrshort.verbs.stats.estimates import NAME_WIDTH, name_rows
from cxrshort.verbs.stats.output import Draw, check_figures, clean_record, write_result
from cxrshort.verbs.stats.scores import PERSON, number_column, read_scores
from cxrshort.verbs.stats.source import Source, open_source

KIND = "stats-power"
_DISTINCT = ("label", "dataset", "dataset_id", "replicate")
"""What test sets differ in; models of one test set share what it can show."""


def power(
    table: str | Path | None = None,
    *,
    target: str | None = None,
    person: str | None = None,
    label: str | None = None,
    aucs: Sequence[float] = LIKELY_AUCS,
    half_width: float = 0.05,
    difference: float = 0.05,
    prevalence: float | None = None,
    images_per_person: float | None = None,
    person_correlation: float = 0.5,
    correlation: float = 0.5,
    chance: float = 0.8,
    level: float = 0.95,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Compute how many images a test set needs, and what that of a table can show.

    Args:
        table: predictions of evaluate (file or folder), any CSV or Parquet table with targets, ``-`` for standard
            input; None where there is no test set yet.
        target: the column of targets, 0 or 1; None for the labels of predictions.
        person: the column that says whose image a row is; None for ``person_id``, if there is one.
        label: one label of predictions; None for all.
        aucs: that are expected.
        half_width: of the interval that is wanted.
        difference: of two paired AUCs that is to be shown.
        prevalence: share of positives of the test set that is planned; None for that of the table.
        images_per_person: of the test set that is planned; None for that of the table, or 1.
        person_correlation: of scores of images of one person.
        correlation: between the AUCs of two models on the same images.
        chance: with which the difference is to be shown.
        level: of the interval, and 1 minus the error of the test.
        out: a folder for designs.csv, reach.csv, summary.json and run.json; None writes nothing.
        figures: draw power.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: the table breaks a rule, or no test set has both classes.
        UsageError: no prevalence where there is no table, or a number out of range.
    """
    check_figures(out, figures=figures)
    if table is None and (target or person or label):
        raise UsageError("--target, --person and --label are of a table", "name it first")
    source, sets, notes = (None, [], []) if table is None else _read(table, target=target, person=person, label=label)
    reaches = [
        _measure(
            facts, targets, persons, aucs=tuple(aucs), correlation=correlation, level=level, power=chance,
            person_correlation=person_correlation,
        )
        for facts, targets, persons in sets
    ]  # fmt: skip
    if reaches and all(reach is None for _, reach, _ in reaches):
        name = "" if source is None else source.name
        raise DataError(f"{name}: no test set has images of both classes ({reaches[0][2]})", "add the other class")
    samplings = _samplings(reaches, prevalence, images_per_person, person_correlation)
    designs = [
        row
        for facts, sampling in samplings
        for row in _design_rows(
            facts, sampling, aucs, half_width=half_width, difference=difference, correlation=correlation, level=level,
            chance=chance,
        )
    ]  # fmt: skip
    reach_rows = [row for entry in reaches for row in _reach_rows(*entry)]
    arguments: dict[str, Any] = {"table": None if table is None else str(table), "target": target, "person": person}
    arguments |= {"label": label, "aucs": list(aucs), "half_width": half_width, "difference": difference}
    arguments |= {"prevalence": prevalence, "images_per_person": images_per_person, "chance": chance, "level": level}
    arguments |= {"person_correlation": person_correlation, "correlation": correlation}
    summary = {**arguments, "designs": designs, "reach": reach_rows}
    notes += [f"{_name(row)}: {row['reason']}" for row in [*designs, *reach_rows] if row["reason"]]
    return write_result(
        Result(summary, _blocks(designs, reach_rows, arguments), notes=list(dict.fromkeys(notes)), kind=KIND),
        "stats power",
        source=source,
        arguments=arguments,
        out=out,
        tables={"designs.csv": designs, **({"reach.csv": reach_rows} if reach_rows else {})},
        draw=_drawing(samplings, aucs, arguments) if figures else None,
        force=force,
    )


def _name(row: Mapping[str, Any]) -> str:
    facts = [str(row[name]) for name in ("label", "dataset") if row.get(name)]
    return ", ".join([*facts, *([f"{row['goal']} at an AUC of {row['auc']:g}"] if row.get("goal") else [])])


TestSet = tuple[dict[str, Any], Floats, Integers | None]


def _read(
    table: str | Path, *, target: str | None, person: str | None, label: str | None
) -> tuple[Source, list[TestSet], list[str]]:
    """Return the targets and persons of each test set; scores play no part."""
    if target is None:
        source = open_source(table)
        if not any(name.startswith(TARGET) for name in source.columns):
            raise DataError(
                f"{source.name} is no table of predictions: it has no column '{TARGET}LABEL'",
                f"name its column of targets by --target: {source.list_columns()}",
            )
        scores = read_scores(source, target=None, score=None, person=person, label=label)
        distinct: dict[tuple[Any, ...], TestSet] = {}
        for part in scores.parts:
            facts = {name: part.facts[name] for name in _DISTINCT if name in part.facts}
            distinct.setdefault(tuple(facts.values()), (facts, part.targets, part.persons))
        return scores.source, list(distinct.values()), scores.notes
    if label is not None:
        raise UsageError("--label names a label of predictions, --target names a column", "give one of them")
    source = open_source(table)
    source.check(*filter(None, (target, person)))
    person = person or (PERSON if PERSON in source.columns else None)
    rows = source.read(numbers=[target], texts=[person] if person else [])
    targets = rows[target].to_numpy()
    wrong = targets[~np.isin(targets, (0, 1)) & ~np.isnan(targets)]
    if len(wrong):
        raise DataError(
            f"{source.name}: column '{target}' holds {len(wrong)} targets that are neither 0 nor 1, such as "
            f"'{wrong[0]:g}'",
            "code the targets as 0 and 1",
        )
    filled = ~np.isnan(targets)
    persons = number_column(rows, person, source.name)[filled] if person else None
    notes = [] if filled.all() else [f"rows without a target are left out: {int((~filled).sum()):,} of {len(rows):,}"]
    if person is None:
        notes.append("every row counts as a person of its own; --person COLUMN says which rows are of one person")
    return source, [({"label": target}, targets[filled], persons)], notes


def _measure(
    facts: dict[str, Any], targets: Floats, persons: Integers | None, *, aucs: tuple[float, ...], **options: float
) -> tuple[dict[str, Any], SetPower | None, str]:
    try:
        return facts, set_power(targets, persons, aucs=aucs, **options), ""
    except DataError as error:
        return facts, None, error.message


def _samplings(
    reaches: Sequence[tuple[dict[str, Any], SetPower | None, str]],
    prevalence: float | None,
    images_per_person: float | None,
    person_correlation: float,
) -> list[tuple[dict[str, Any], Sampling]]:
    """Return how the planned test set is drawn: as stated, else like each test set of the table."""
    if prevalence is not None or not reaches:
        if prevalence is None:
            raise UsageError("nothing says how many images are positive", "--prevalence X, or a table of a test set")
        return [({}, Sampling(prevalence, images_per_person or 1.0, person_correlation))]
    samplings = []
    for facts, reach, _ in reaches:
        if reach is not None:
            repeated = images_per_person or reach.images_per_person
            samplings.append((facts, Sampling(reach.positives / reach.images, repeated, person_correlation)))
    return samplings


def _design_rows(
    facts: Mapping[str, Any],
    sampling: Sampling,
    aucs: Sequence[float],
    *,
    half_width: float,
    difference: float,
    correlation: float,
    level: float,
    chance: float,
) -> list[dict[str, Any]]:
    """Return what is needed for the interval and for the difference, for each AUC."""
    rows = []
    for auc in aucs:
        goals: dict[str, Callable[[], Design]] = {
            f"interval of ± {half_width:g}": lambda auc=auc: images_for_width(  # type: ignore[misc]
                auc, sampling=sampling, half_width=half_width, level=level
            ),
            f"difference of {difference:g}": lambda auc=auc: images_for_difference(  # type: ignore[misc]
                auc, auc - difference, sampling=sampling, correlation=correlation, level=level, power=chance
            ),
        }
        for goal, design in goals.items():
            rows.append({**facts, "goal": goal, "auc": auc, "prevalence": sampling.prevalence, **_design(design)})
    return sorted(rows, key=lambda row: str(row["goal"]), reverse=True)


def _design(design: Callable[[], Design]) -> dict[str, Any]:
    names = ("images", "positives", "negatives", "persons", "design_effect")
    try:
        planned = design()
    except UsageError as error:
        if "more than" not in error.message:
            raise
        return {**dict.fromkeys(names), "reason": error.message}
    return {**{name: getattr(planned, name) for name in names}, "reason": ""}


def _reach_rows(facts: Mapping[str, Any], reach: SetPower | None, reason: str) -> list[dict[str, Any]]:
    if reach is None:
        empty = dict.fromkeys(("images", "positives", "negatives", "persons", "auc", "half_width", "smallest_drop"))
        return [{**facts, **empty, "design_effect": None, "reason": reason}]
    counts = {name: getattr(reach, name) for name in ("images", "positives", "negatives", "persons", "design_effect")}
    return [
        clean_record(
            {
                **facts,
                **counts,
                "auc": entry.auc,
                "half_width": entry.half_width,
                "smallest_drop": entry.smallest_drop,
                "reason": "" if entry.smallest_drop is not None else "no difference can be shown",
            }
        )
        for entry in reach.reach
    ]


def _blocks(
    designs: Sequence[Mapping[str, Any]], reach: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]
) -> list[Block]:
    """Return what people see: what the test set can show, then what would be needed."""
    level, chance = arguments["level"], arguments["chance"]
    facts = (
        f"{100 * level:g} % interval, paired test with {100 * chance:g} % power; correlation of two models "
        f"{arguments['correlation']:g}, of images of a person {arguments['person_correlation']:g}"
    )
    blocks: list[Block] = []
    if reach:
        names, _ = name_rows(reach)
        shown = [
            {
                "name": name,
                **{key: "none" if row[key] is None else row[key] for key in ("positives", "negatives", "persons")},
                "auc": "none" if row["auc"] is None else f"{row['auc']:g}",
                "half": "none" if row["half_width"] is None else f"± {row['half_width']:.3f}",
                "drop": "none" if row["smallest_drop"] is None else f"{row['smallest_drop']:.3f}",
            }
            for name, row in zip(names, reach, strict=True)
        ]
        columns = [
            Column("test set", "name", least=NAME_WIDTH),
            Column("pos.", "positives", "count"),
            Column("neg.", "negatives", "count"),
            Column("persons", "persons", "count"),
            Column("AUC", "auc", least=4),
            Column("interval", "half", least=7),
            Column("smallest drop shown", "drop", least=5),
        ]
        blocks.append(Table(columns, shown, f"what the test set can show: {facts}", blocks=True))
    labelled = any("label" in row for row in designs)
    names = name_rows(designs)[0] if labelled else [""] * len(designs)
    counts = ("images", "positives", "negatives", "persons")
    rows = [
        {
            "name": ", ".join(filter(None, [name, str(row["goal"])])),
            "auc": f"{row['auc']:g}",
            **{key: "out of reach" if row[key] is None else row[key] for key in counts},
        }
        for name, row in zip(names, designs, strict=True)
    ]
    columns = [
        Column("to show", "name", least=NAME_WIDTH),
        Column("AUC", "auc", least=4),
        *(Column(name, name, "count") for name in counts),
    ]
    shares = ", ".join(dict.fromkeys(f"{100 * row['prevalence']:.3g} %" for row in designs))
    title = f"what is needed at a prevalence of {shares}" + ("" if reach else f": {facts}")
    return [*blocks, Table(columns, rows, title, blocks=True)]


def _drawing(
    samplings: Sequence[tuple[Mapping[str, Any], Sampling]], aucs: Sequence[float], arguments: Mapping[str, Any]
) -> Draw:
    """Return what draws the images that intervals and differences need."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.power import PowerCurve, draw_power

        goals = np.round(np.geomspace(0.01, 0.15, 13), 4)
        first = samplings[0][1]
        curves = []
        for auc in aucs:
            options: dict[str, Any] = {"sampling": first, "level": arguments["level"]}
            paired = {**options, "correlation": arguments["correlation"], "power": arguments["chance"]}
            wide = [images_for_width(auc, half_width=float(goal), **options).images for goal in goals]
            different = [
                images_for_difference(auc, auc - float(goal), **paired).images if auc > goal else 0 for goal in goals
            ]
            curves.append(PowerCurve(f"AUC {auc:g}", goals.tolist(), wide, different))
        return [draw_power(curves, path("power.png"), title=f"prevalence {first.prevalence:.3g}")]

    return draw
