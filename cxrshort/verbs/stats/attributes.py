"""What could become a shortcut, before any training: metadata that predict a label and are detectable in the pixels."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import columns as described
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError
from cxrshort.images.grey_values import Images, border_strips, local_patterns, thumbnails
from cxrshort.manifest import extra_columns
from cxrshort.quantities import quantity
from cxrshort.results import DEFAULT, VERBOSE, Block, Column, Result, Table, Text
from cxrshort.stats.association import pool_rare
from cxrshort.stats.attribute_risks import AttributeRisk, attribute_risk, judge_risks
from cxrshort.stats.auc import check_level
from cxrshort.stats.confounding import ColumnValues, as_numbers, confounding
from cxrshort.stats.detectability import Detectability, FoldedFeatures, detectability, fold_features
from cxrshort.stats.midranks import Floats, Integers, is_exact, number_persons
from cxrshort.stats.mutual_information import Information, draw_one_row
from cxrshort.stats.named_draws import named_generator
from cxrshort.stats.out_of_fold import person_folds
from cxrshort.stats.verdicts import NOT_TESTABLE, VERDICTS
from cxrshort.verbs.stats.audited_images import choose_label, pixel_features, small_p_text
from cxrshort.verbs.stats.output import Draw, check_figures, clean_record, write_result
from cxrshort.verbs.stats.source import Source

KIND = "stats-attributes"
ATTRIBUTES = (
    *("repository", "view", "sex", "age_years", "manufacturer", "modality", "group"),
    *("cache_fit", "source_height", "source_width", "pixel_height_mm", "pixel_width_mm"),
)
"""Described columns that are audited; the others are names, places, dates and checksums."""
MOST_PERSONS = 5000
"""Persons whose pixels are read for a label: beyond that, probes gain little and take minutes."""
FEWEST_PERSONS = 10
"""Persons of the smaller class below which a label has no probe."""
SHOWN = 15
"""Risks that are printed without ``--verbose``."""


def attributes(
    dataset: str,
    *,
    label: str | None = None,
    columns: Sequence[str] = (),
    level: float = 0.95,
    seed: int = 0,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Rank the attributes of a dataset by the risk that they become shortcuts: utility times detectability.

    Args:
        dataset: a dataset folder, manifest, ``-`` or name.
        label: one label; None for all that have both classes.
        columns: attributes; none for every column of metadata.
        level: coverage of the intervals.
        seed: of the images drawn for each person, the folds and the null distributions.
        out: a folder for attributes.csv, summary.json and run.json; None writes nothing.
        figures: draw attributes.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: the dataset breaks a rule, has no such label or column, or nothing can be tested.
        UsageError: figures without a folder, or a level out of range.
    """
    check_figures(out, figures=figures)
    check_level(level)
    data = load_dataset(dataset)
    source = Source(data.path.name if data.path else "standard input", data.path, tuple(data.manifest.columns))
    names = _attributes(data, source, columns)
    labels = _labels(data, label)
    table = confounding(data.manifest, labels, columns=names, rng=np.random.default_rng(seed), level=level)
    rows, sampled = _measure(data, table, level=level, seed=seed)
    if all(row["verdict"] == NOT_TESTABLE for row in rows):
        reasons = "; ".join(dict.fromkeys(row["why"] for row in rows))
        raise DataError(f"{data.name}: no attribute can be tested ({reasons})", "two classes and two values are needed")
    arguments: dict[str, Any] = {"dataset": dataset, "label": label, "columns": list(columns), "level": level}
    arguments |= {"seed": seed}
    notes = [*data.notes, "one image of each person counts, a positive one where there is any"]
    if sampled:
        notes.append(f"pixels of {MOST_PERSONS:,} persons drawn at random are read for: {', '.join(sampled)}")
    verdicts = [row["verdict"] for row in rows]
    result = Result({**arguments, "attributes": rows}, _blocks(rows, level), notes=notes, kind=KIND, verdicts=verdicts)
    return write_result(
        result,
        "stats attributes",
        source=source,
        arguments=arguments,
        out=out,
        tables={"attributes.csv": rows},
        draw=_drawing(rows) if figures else None,
        force=force,
    )


def _attributes(data: Dataset, source: Source, columns: Sequence[str]) -> list[str]:
    """Return the columns to audit."""
    if columns:
        source.check(*columns)
        unusable = [name for name in columns if name in described.BY_NAME and name not in ATTRIBUTES]
        if unusable:
            raise DataError(
                f"{source.name}: column '{unusable[0]}' names images, persons or files and is no attribute",
                f"one of: {', '.join(name for name in ATTRIBUTES if name in data.manifest)}",
            )
        return list(dict.fromkeys(columns))
    extra = [name for name in extra_columns(data.manifest) if name not in data.labels]
    names = [*(name for name in ATTRIBUTES if name in data.manifest), *extra]
    filled = [name for name in names if as_numbers(data.manifest, name).is_present.any()]
    if not filled:
        raise DataError(f"{source.name}: the manifest has no column of metadata", "such as view, sex or manufacturer")
    return filled


def _labels(data: Dataset, label: str | None) -> list[str]:
    if label is not None:
        return [choose_label(data, label)]
    usable = [name for name in data.labels if {0.0, 1.0} <= set(data.manifest[name].dropna())]
    return usable or [choose_label(data, None)]


def _measure(data: Dataset, table: pd.DataFrame, *, level: float, seed: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a row for each label and attribute, the largest risk first; and the labels whose persons were sampled."""
    persons = number_persons(data.manifest["person_id"], len(data.manifest))
    values = {name: as_numbers(data.manifest, name) for name in dict.fromkeys(table["column"])}
    chosen, sampled = {}, []
    for label in dict.fromkeys(table["label"]):
        targets = data.manifest[label].to_numpy(dtype=np.float64, na_value=np.nan)
        # By name, so that what is said of one attribute does not depend on which others are asked for.
        rng = named_generator(seed, label)
        rows = draw_one_row(targets, is_exact(targets), persons, rng=rng)
        if len(rows) > MOST_PERSONS:
            rows = np.sort(rng.choice(rows, MOST_PERSONS, replace=False))
            sampled.append(label)
        chosen[label] = (targets, rows)
    probes = Probes(data, chosen, seed=seed)
    measured = [
        (
            row,
            *_risk(
                probes, row, values[row["column"]], rng=named_generator(seed, row["label"], row["column"]), level=level
            ),
        )
        for row in table.to_dict("records")
    ]
    names = [f"{row['label']}: {row['column']}" for row, _, _ in measured]
    verdicts = judge_risks(names, [risk for _, _, risk in measured])
    records = [
        clean_record(
            {
                "label": row["label"],
                "attribute": row["column"],
                "persons": row["persons"],
                **{name: row[name] for name in ("utility", "utility_low", "utility_high", "utility_p")},
                "detectability": seen.information.value,
                "detectability_low": seen.information.low,
                "detectability_high": seen.information.high,
                "detectability_p": seen.information.p,
                "probed_persons": seen.information.persons,
                "within_classes": seen.within,
                "risk": risk.value,
                "risk_low": risk.low,
                "risk_high": risk.high,
                "p_holm": verdict.evidence.p,
                "smallest_risk": risk.smallest,
                "auc": row["auc"],
                "auc_low": row["low"],
                "auc_high": row["high"],
                "confounding": row["verdict"],
                "verdict": verdict.verdict,
                "why": verdict.why,
            }
        )
        for (row, seen, risk), verdict in zip(measured, verdicts, strict=True)
    ]
    records.sort(key=lambda row: (VERDICTS.index(row["verdict"]), -(row["risk"] or 0.0)))
    return records, sampled


class Probes:
    """Hold the features of the pixels that probes read, decomposed once for each label and set of rows.

    Args:
        data: the dataset.
        chosen: targets, and one row of each person, by label.
        seed: of the folds.
    """

    def __init__(self, data: Dataset, chosen: Mapping[str, tuple[Floats, Integers]], *, seed: int) -> None:
        self._chosen = chosen
        self._seed = seed
        self._positions = np.unique(np.concatenate([rows for _, rows in chosen.values()]))
        self._features = pixel_features(data, self._positions, {"pixels": _features})["pixels"]
        self._folded: dict[bytes, FoldedFeatures] = {}

    def rows(self, label: str, values: ColumnValues) -> tuple[Floats, Integers]:
        """Return the targets and rows of the persons who have a value."""
        targets, rows = self._chosen[label]
        present = rows[values.is_present[rows]]
        return targets[present], present

    def folded(self, targets: Floats, rows: Integers) -> FoldedFeatures:
        """Return the features of rows, decomposed for folds that have both classes."""
        key = rows.tobytes() + targets.tobytes()
        if key not in self._folded:
            folds = person_folds(targets, np.arange(len(rows)), rng=named_generator(self._seed, "folds"))
            self._folded = {key: fold_features(self._features[np.searchsorted(self._positions, rows)], folds)}
        return self._folded[key]


def _features(grey: Images) -> Floats:
    """Return what probes read of (N, H, W) images, (N, 448)."""
    features: Floats = np.concatenate(
        [np.sqrt(local_patterns(grey)), thumbnails(grey), border_strips(grey)], axis=1
    ).astype(np.float32)
    return features


def _risk(
    probes: Probes, row: Mapping[Any, Any], values: ColumnValues, *, rng: np.random.Generator, level: float
) -> tuple[Detectability, AttributeRisk]:
    """Return the detectability and the risk of one attribute for one label."""
    cells = {name: None if pd.isna(row[name]) else row[name] for name in row if str(name).startswith("utility")}
    utility = Information(
        cells["utility"],
        error=cells["utility_error"],
        p=cells["utility_p"],
        smallest=cells["utility_smallest"],
        reason=str(row["utility_reason"]),
    )
    if utility.value is None:
        seen = Detectability(Information(None, reason=utility.reason), within=True)
        return seen, attribute_risk(utility, seen, level=level)
    targets, rows = probes.rows(str(row["label"]), values)
    smaller = int(min(targets.sum(), len(targets) - targets.sum()))
    if smaller < FEWEST_PERSONS:
        reason = f"only {quantity(smaller, 'person')} in the smaller class"
        seen = Detectability(Information(None, persons=len(rows), reason=reason), within=True)
        return seen, attribute_risk(utility, seen, level=level)
    levels = values.levels(rows)
    numbers = values.cells[rows] if values.numeric else None
    if numbers is None:
        levels = np.unique(pool_rare(levels, np.arange(len(rows))), return_inverse=True)[1].astype(np.int64)
    if levels.max() == 0:
        seen = Detectability(Information(None, persons=len(rows), reason="every value is rare"), within=True)
        return seen, attribute_risk(utility, seen, level=level)
    seen = detectability(probes.folded(targets, rows), levels, targets, rng=rng, numbers=numbers, level=level)
    return seen, attribute_risk(utility, seen, level=level)


def _blocks(rows: Sequence[Mapping[str, Any]], level: float) -> list[Block]:
    tested = [row for row in rows if row["verdict"] != NOT_TESTABLE]
    single = len({row["label"] for row in rows}) == 1
    heads = [
        Column("attribute" if single else "label: attribute", "name"),
        Column("persons", "persons", "count"),
        Column("utility", "utility", "interval"),
        Column("detectability", "detectability", "interval"),
        Column("risk", "risk", "interval"),
        Column("P, Holm", "p", least=8),
        Column("verdict", "verdict", least=11),
    ]
    lines = [_line(row, single=single) for row in tested]
    subject = f"{rows[0]['label']}: " if single else ""
    title = f"{subject}risk = utility x detectability, 0 is chance, 1 is perfect; {100 * level:g} % intervals"
    blocks: list[Block] = [
        Table(heads, lines[:SHOWN], title, shown=("quiet", *DEFAULT), blocks=True),
        Table(heads, lines, title, shown=VERBOSE, blocks=True),
    ]
    if len(lines) > SHOWN:
        remark = f"the largest {SHOWN} of {len(lines)} risks; --verbose prints all"
        blocks.append(Text(remark, folded=True, shown=DEFAULT))
    if any(not row["within_classes"] for row in tested):
        text = "* no class of the label holds two values: attribute and label cannot be told apart"
        blocks.append(Text(text, folded=True))
    untested = [row for row in rows if row["verdict"] == NOT_TESTABLE]
    if untested:
        blocks.append(Text(_untested(untested, single=single), folded=True))
    return blocks


def _line(row: Mapping[str, Any], *, single: bool) -> dict[str, Any]:
    """Return the cells of a row; a risk that cannot be told apart has a star."""
    name = row["attribute"] if single else f"{row['label']}: {row['attribute']}"
    star = "" if row["within_classes"] else "*"
    return {**row, "name": name + star, "p": small_p_text(row["p_holm"]), "reason": ""}


def _untested(rows: Sequence[Mapping[str, Any]], *, single: bool) -> str:
    """Return one line on what could not be tested, by reason."""
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        by_reason.setdefault(row["why"], []).append(
            row["attribute"] if single else f"{row['label']}: {row['attribute']}"
        )
    parts = [
        f"{names[0]} ({reason})" if len(names) == 1 else f"{len(names)} pairs ({reason})"
        for reason, names in by_reason.items()
    ]
    return f"not testable: {'; '.join(parts)}"


def _drawing(rows: Sequence[Mapping[str, Any]]) -> Draw:
    """Return what draws each attribute by its utility and detectability."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.attribute_risks import RiskPoint, draw_risks
        from cxrshort.stats.attribute_risks import RULE

        single = len({row["label"] for row in rows}) == 1
        points = [
            RiskPoint(
                row["attribute"] if single else f"{row['label']}: {row['attribute']}",
                row["verdict"],
                (row["utility"], row["utility_low"], row["utility_high"]),
                (row["detectability"], row["detectability_low"], row["detectability_high"]),
                (row["risk"], row["risk_low"], row["risk_high"]),
            )
            for row in rows
            if row["risk"] is not None
        ]
        return [
            draw_risks(points, path("attributes.png"), margin=RULE.margin, label=rows[0]["label"] if single else "")
        ]

    return draw
