"""What is reached without seeing anatomy: the shortcut floors of a dataset, and whether a model is superior to them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.errors import DataError, UsageError
from cxrshort.images.grey_values import border_strips, grey_histograms, local_patterns, shuffle_pixels, thumbnails
from cxrshort.results import Block, Column, Result, Table, Text, interval_text
from cxrshort.stats import floors as measured
from cxrshort.stats.auc import check_level
from cxrshort.stats.floors import FLOORS
from cxrshort.stats.metadata_features import metadata_features
from cxrshort.stats.midranks import Floats, Integers, count_distinct
from cxrshort.stats.out_of_fold import boosted_trees, out_of_fold_auc, out_of_fold_ranks, person_folds
from cxrshort.stats.predictions import EXTERNAL
from cxrshort.verbs.stats.audited_images import AuditedImages, open_images, pixel_features, small_p_text
from cxrshort.verbs.stats.floor_predictions import compare_models_with_floors, read_predictions
from cxrshort.verbs.stats.output import Draw, check_figures, clean_record, write_result
from cxrshort.verbs.stats.scores import check_group_count

KIND = "stats-floors"
VIEW = "view"
EVERY = "all"
_PERSON = ("age_years", "sex", VIEW)
_METADATA = (*_PERSON, "repository")
SENTENCE = "A model that is not superior to its floors has not shown that it sees disease."


def floors(
    dataset: str,
    *,
    label: str | None = None,
    by: str | None = None,
    predictions: str | Path | None = None,
    score: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Measure the shortcut floors of a dataset, out of fold by person, and hold models against them.

    Args:
        dataset: a dataset folder, manifest, ``-`` or name.
        label: None for COVID-19, else the first label with both classes.
        by: a column within whose values each floor is judged too; None for ``view``, if there are several.
        predictions: scores of models on images of the dataset; None for none.
        score: the column of scores in it; None for ``logit.LABEL``.
        level: coverage of the intervals.
        seed: of the folds and of the shuffled pixels.
        out: a folder for floors.csv, scores.csv, summary.json and run.json, with predictions also comparisons.csv and
            models.csv; None writes nothing.
        figures: draw floors.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: the dataset or the table breaks a rule, or there are fewer than two persons of a class.
        UsageError: options that exclude each other, or a level out of range.
    """
    check_figures(out, figures=figures)
    check_level(level)
    if score is not None and predictions is None:
        raise UsageError("--score names a column of --predictions", "--predictions TABLE")
    images = open_images(dataset, label)
    by = _grouping(images, by)
    models = None if predictions is None else read_predictions(predictions, images, score=score)
    folds, ranks = _out_of_fold(images, np.random.default_rng(seed))
    rows = _measure(images, ranks, by=by, folds=count_distinct(folds), level=level)
    arguments: dict[str, Any] = {"dataset": dataset, "label": images.label, "by": by, "level": level, "seed": seed}
    arguments |= {"predictions": None if predictions is None else str(predictions), "score": score}
    tables = {"floors.csv": rows, "scores.csv": _score_rows(images, folds, ranks)}
    result = Result({**arguments, "floors": rows}, [_floor_table(rows, level)], notes=images.notes, kind=KIND)
    if models is None:
        result = replace(result, tables=[*result.tables, Text(_expectation(rows), folded=True)])
    else:
        comparisons, held = compare_models_with_floors(models.models, images, ranks, level=level)
        tables |= {"comparisons.csv": comparisons, "models.csv": held}
        result = replace(
            result,
            summary={**result.summary, "comparisons": comparisons, "models": held},
            tables=[*result.tables, *_model_tables(comparisons, held, level)],
            notes=[*images.notes, *models.notes, *_external(held)],
            verdicts=[row["verdict"] for row in held],
        )
    return write_result(
        result,
        "stats floors",
        source=[images.source, *([] if models is None else [models.source])],
        arguments=arguments,
        out=out,
        tables=tables,
        draw=_drawing(rows, images.label) if figures else None,
        force=force,
    )


def _grouping(images: AuditedImages, by: str | None) -> str | None:
    """Return the column within whose values floors are judged; None for none."""
    if by is None:
        return VIEW if VIEW in images.rows and images.rows[VIEW].nunique() > 1 else None
    images.source.check(by)
    check_group_count(images.rows[by].nunique(), by, images.source.name)
    return by


def _out_of_fold(images: AuditedImages, rng: np.random.Generator) -> tuple[Integers, dict[str, Floats]]:
    """Return the fold of each image, and its out-of-fold scores by floor."""
    folds = person_folds(images.targets, images.codes, rng=rng)
    ranks = {
        name: out_of_fold_ranks(values, images.targets, folds, boosted_trees) if values.shape[1] else _constant(images)
        for name, values in _features(images, rng).items()
    }
    return folds, ranks


def _features(images: AuditedImages, rng: np.random.Generator) -> dict[str, Floats]:
    """Return what each floor sees; no column where it sees nothing."""
    metadata = {measured.PERSON: _PERSON, measured.METADATA: _METADATA}
    tabular = {name: metadata_features(images.rows, columns) for name, columns in metadata.items()}
    if tabular[measured.METADATA].shape == tabular[measured.PERSON].shape:  # of one repository
        del tabular[measured.PERSON]
    pixels = pixel_features(
        images.data,
        images.positions,
        {
            measured.HISTOGRAM: grey_histograms,
            measured.BORDERS: border_strips,
            measured.THUMBNAIL: thumbnails,
            measured.SHUFFLED: lambda grey: local_patterns(shuffle_pixels(grey, rng)),
        },
    )
    return {measured.PREVALENCE: np.empty((len(images.targets), 0)), **tabular, **pixels}


def _constant(images: AuditedImages) -> Floats:
    return np.full(len(images.targets), 0.5)


def _measure(
    images: AuditedImages, ranks: Mapping[str, Floats], *, by: str | None, folds: int, level: float
) -> list[dict[str, Any]]:
    """Return a row for each floor, on all images and within each group."""
    groups = {EVERY: np.ones(len(images.targets), dtype=np.bool_)}
    if by is not None:
        values = images.rows[by].astype(str)
        groups |= {value or "(empty)": (values == value).to_numpy() for value in sorted(set(values))}
    rows = []
    for name, scores in ranks.items():
        for group, inside in groups.items():
            area = out_of_fold_auc(
                images.targets[inside], scores[inside], images.codes[inside], folds=folds, level=level
            )
            counts = {"positives": area.positives, "negatives": area.negatives, "persons": area.clusters}
            constant = name == measured.PREVALENCE and area.auc is not None
            low, high = (area.auc, area.auc) if constant else (area.low, area.high)  # 0.5 by definition
            reason = "" if constant else area.reason
            numbers = {"auc": area.auc, "low": low, "high": high, "reason": reason, "caution": area.caution}
            rows.append(clean_record({"floor": name, "sees": FLOORS[name], "group": group, **counts, **numbers}))
    return rows


def _score_rows(images: AuditedImages, folds: Integers, ranks: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """Return a row for each image with its out-of-fold score of each floor."""
    table = images.rows[["image_id", "person_id"]].assign(target=images.targets, fold=folds)
    table = table.assign(**{_column(name): values for name, values in ranks.items()})
    return [{str(name): value for name, value in record.items()} for record in table.to_dict("records")]


def _column(floor: str) -> str:
    return "score." + floor.replace(",", "").replace(" ", "_")


def _expectation(rows: Sequence[Mapping[str, Any]]) -> str:
    shuffled = next(row["auc"] for row in rows if (row["floor"], row["group"]) == (measured.SHUFFLED, EVERY))
    return (
        f"expected external AUC of a model: P_Est = P_source - {shuffled:.3f} + 0.5, so that an AUC of 0.95 here is "
        f"expected to be {min(1.0, 0.95 - shuffled + 0.5):.3f} elsewhere (Ong Ly et al. 2024)"
    )


def _external(held: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [row["model"] for row in held if row["role"] == EXTERNAL]
    if not names:
        return []
    text = "floors are learned on this dataset, so that a model trained elsewhere may be inferior without a shortcut"
    return [f"{text}: {', '.join(names)}"]


def _floor_table(rows: Sequence[Mapping[str, Any]], level: float) -> Block:
    groups = list(dict.fromkeys(row["group"] for row in rows))
    counts = {row["group"]: (row["positives"], row["negatives"]) for row in rows}
    lines: dict[str, dict[str, Any]] = {}
    for row in rows:
        cells = lines.setdefault(row["floor"], {"floor": row["floor"]})
        names = {name: row[name] for name in ("low", "high", "reason")}
        cells |= {row["group"]: row["auc"], **{f"{row['group']}_{name}": value for name, value in names.items()}}
    heads = [Column("learned from", "floor", least=15)]
    for group in groups:
        name = "AUC" if group == EVERY else f"within {group}"
        positives, negatives = counts[group]
        heads.append(Column(f"{name}, {positives:,} + {negatives:,}", group, "interval"))
    persons = next(row["persons"] for row in rows)
    title = f"{100 * level:g} % intervals; {persons:,} persons, folds by person; counts are positives + negatives"
    return Table(heads, list(lines.values()), title, blocks=True)


def _model_tables(
    comparisons: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]], level: float
) -> list[Block]:
    rows = [
        {**row, "p": small_p_text(row["p_holm"]), "shown": row["finding"] or f"none: {row['reason']}"}
        for row in comparisons
    ]
    columns = [
        Column("model", "model", folds=True),
        Column("against", "floor", least=15),
        Column("images", "images", "count"),
        Column("model minus floor", "difference", "interval"),
        Column("P, Holm", "p", least=8),
        Column("superior?", "shown", least=9),
    ]
    expected = [
        Column("model", "model"),
        Column("AUC here", "auc", "interval"),
        Column("P_Est elsewhere", "p_est", least=20),
        Column("superior to", "beaten", least=11),
    ]
    summaries = [
        {**row, "beaten": f"{row['superior_to']} of {row['floors']}", "p_est": _expected_text(row)} for row in held
    ]
    title = f"AUC differences on the same images, {100 * level:g} % intervals; P two-sided, paired, by person"
    return [Table(columns, rows, title), Table(expected, summaries, blocks=True), Text(SENTENCE, folded=True)]


def _expected_text(row: Mapping[str, Any]) -> str:
    if row["expected"] is None:
        return "none: not its own dataset" if row["role"] == EXTERNAL else "none"
    return interval_text(row["expected"], row["expected_low"], row["expected_high"])


def _drawing(rows: Sequence[Mapping[str, Any]], label: str) -> Draw:
    """Return what draws the floors with their intervals."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.intervals import Estimate, draw_intervals

        estimates = [
            Estimate(
                row["floor"],
                "all images" if row["group"] == EVERY else f"within {row['group']}",
                row["auc"],
                row["low"],
                row["high"],
            )
            for row in rows
            if row["auc"] is not None
        ]
        if not estimates:
            raise DataError("no floor has an AUC to draw", "two persons of each class")
        measure = f"out-of-fold AUC of {label}"
        return [draw_intervals(estimates, path("floors.png"), measure=measure, reference=0.5)]

    return draw
