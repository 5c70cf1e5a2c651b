"""Is it fair: groups that no column names, in which the model errs more than its own scores say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Result
from cxrshort.stats.auc import check_level
from cxrshort.stats.midranks import Bools, Integers
from cxrshort.stats.predictions import IMAGE_COLUMNS
from cxrshort.stats.slices import MINIMUM, SLICES, ErrorSlices, PredictedImages, Slice, find_slices
from cxrshort.stats.verdicts import NO_EVIDENCE, NOT_TESTABLE, SUSPICIOUS
from cxrshort.verbs.stats.embeddings import Embeddings, open_embeddings
from cxrshort.verbs.stats.group_decisions import DecisionOptions, Decisions, DecisionTable, read_decisions
from cxrshort.verbs.stats.output import check_figures, clean_record, write_result
from cxrshort.verbs.stats.slice_figures import drawing, find_images
from cxrshort.verbs.stats.slice_tables import NOT_TESTED, blocks
from cxrshort.verbs.stats.source import open_source

KIND = "stats-slices"
_IDENTITIES = ("model_id", "dataset_id", "image_id")
_DESCRIBED = ("view", "sex", "repository", "manufacturer", "group", "edit")
"""Columns whose values say what a slice has more of than the other images."""


@dataclass(frozen=True, slots=True, eq=False)
class SlicedPart:
    """Hold the slices of one label of one model on one test set.

    Args:
        decisions: truth and decisions.
        slices: what was found and tested.
    """

    decisions: Decisions
    slices: ErrorSlices


def slices(
    table: str | Path,
    *,
    target: str | None = None,
    score: str | None = None,
    person: str | None = None,
    label: str | None = None,
    features: str | None = None,
    dataset: Sequence[str] = (),
    logits: bool = False,
    threshold: float | None = None,
    validation: str | None = None,
    most: int = SLICES,
    minimum: int = MINIMUM,
    seed: int = 0,
    level: float = 0.95,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Find slices of images in which a model errs, on half of the persons, and test them on the other half.

    Args:
        table: predictions of evaluate (file or folder), any CSV or Parquet table, or ``-`` for standard input.
        target: the column of targets, 0 or 1; None for the labels of predictions.
        score: the column of scores; None for the logits of predictions.
        person: the column that says whose image a row is; None for ``person_id``, if there is one.
        label: one label of predictions; None for all.
        features: ``features.csv`` of evaluate, or a ``.npy`` array with a row for each row of the table; None for the
            features.csv beside the table.
        dataset: where the images lie, for contact sheets; none are drawn without it.
        logits: whether ``score`` holds logits; probabilities otherwise.
        threshold: the probability from which on an image is called positive; None for 0.5.
        validation: a table of validation images on which it is chosen instead.
        most: slices at most.
        minimum: images of the testing half below which a slice is not tested.
        seed: of the halves and of where the slices begin.
        level: coverage of the intervals; 1 minus it is the error of the tests.
        out: a folder for slices.csv, slice-images.csv, summary.json and run.json; None writes nothing.
        figures: draw slices.png too, and a contact sheet of each slice that is tested.
        force: overwrite an earlier result.

    Raises:
        DataError: a table breaks a rule, an image has no features, or nothing can be halved.
        UsageError: options that exclude each other or are out of range.
        MissingInputError: there is no file of features.
    """
    check_figures(out, figures=figures)
    _check_options(dataset, figures=figures, most=most, level=level)
    source = open_source(table)
    embeddings = open_embeddings(features, source)
    options = DecisionOptions(target, score, person, label, logits, threshold, validation)
    wanted = [name for name in dict.fromkeys([*_IDENTITIES, *IMAGE_COLUMNS]) if name in source.columns]
    decisions = read_decisions(source, options, columns=wanted)
    if any(part.rows.called is None for part in decisions.parts):
        raise DataError(f"{decisions.notes[-1]}", "slices need decisions: give probabilities, or --logits")
    parts, skipped = _find_all(decisions, embeddings, most=most, minimum=minimum, seed=seed, level=level)
    if not parts:
        raise DataError(f"{source.name}: no slices can be found ({skipped[0]})", "use a larger test set")
    pictures = find_images(dataset, [part.decisions.part.columns for part in parts])
    rows = [row for part in parts for row in _rows(part, level)]
    arguments: dict[str, Any] = {"table": str(table), **options.record(), "features": features}
    arguments |= {"dataset": list(dataset), "most": most, "minimum": minimum, "seed": seed, "level": level}
    result = Result(
        {**arguments, "slices": rows, "skipped": skipped},
        blocks(rows, level=level),
        notes=[*decisions.notes, *skipped],
        kind=KIND,
        verdicts=[row["verdict"] for row in rows],
    )
    images = [] if out is None else [row for part in parts for row in _images(part)]
    tables = {"slices.csv": rows, "slice-images.csv": images}
    return write_result(
        result,
        "stats slices",
        source=source,
        arguments=arguments,
        out=out,
        tables=tables,
        draw=drawing(rows, images, pictures) if figures else None,
        force=force,
    )


def _check_options(dataset: Sequence[str], *, figures: bool, most: int, level: float) -> None:
    check_level(level)
    if dataset and not figures:
        raise UsageError("--dataset is for contact sheets, which are figures", "add --figures --out DIR")
    if most < 2:
        raise UsageError(f'slices "{most}" must be at least 2', f"try {SLICES}")


def _find_all(
    table: DecisionTable, embeddings: Embeddings, *, most: int, minimum: int, seed: int, level: float
) -> tuple[list[SlicedPart], list[str]]:
    """Return the slices of each label, model and test set, and why some have none."""
    parts, skipped = [], []
    for place, part in enumerate(table.parts):
        try:
            error_slices = find_slices(
                _predicted(part, embeddings),
                rng=np.random.default_rng([seed, place]),
                slices=most,
                minimum=minimum,
                level=level,
            )
        except DataError as error:
            if len(table.parts) == 1:
                raise
            skipped.append(f"{_name(part)}: {error.message}")
            continue
        parts.append(SlicedPart(part, error_slices))
    return parts, skipped


def _name(part: Decisions) -> str:
    names = [str(part.facts[name]) for name in ("label", "training", "dataset") if name in part.facts]
    return ", ".join(names)


def _predicted(part: Decisions, embeddings: Embeddings) -> PredictedImages:
    rows = part.rows
    if rows.called is None or rows.logits is None:
        raise DataError("scores that are no probabilities make no decisions")
    return PredictedImages(embeddings.take(part.part), rows.positive, expit(rows.logits), rows.called, rows.codes)


def _rows(part: SlicedPart, level: float) -> Iterator[dict[str, Any]]:
    """Yield the row of each slice, the tested ones first."""
    cells = part.decisions.part.columns
    numbered = {name: _number_values(cells[name]) for name in _DESCRIBED if name in cells}
    for place, measured in enumerate(part.slices.slices):
        inside = part.slices.numbers == measured.number
        members = inside & ~part.slices.finding
        finding = _finding(measured, level)
        verdict = NOT_TESTABLE if finding == NOT_TESTED else SUSPICIOUS if finding == "shown" else NO_EVIDENCE
        yield clean_record(
            {
                **part.decisions.facts,
                "slice": place + 1,
                "images": measured.images,
                "persons": measured.persons,
                "images_finding": int((inside & part.slices.finding).sum()),
                **_limits("errors", measured.errors),
                "expected": measured.expected,
                **_limits("excess", measured.excess),
                "p": measured.p,
                "p_holm": measured.p_holm,
                "finding": finding,
                "verdict": verdict,
                "positives": measured.positives,
                "probability": measured.probability,
                "mostly": _mostly(numbered, members, ~part.slices.finding & ~members),
                "reason": measured.reason,
            }
        )


def _finding(measured: Slice, level: float) -> str:
    if measured.p_holm is None:
        return NOT_TESTED
    return "shown" if measured.p_holm <= 1 - level else "not shown"


def _limits(name: str, interval: Any) -> dict[str, Any]:
    if interval is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _number_values(cells: "pd.Series[str]") -> tuple[Integers, Sequence[str]]:
    """Return the number of each cell's value, and the values."""
    numbers, values = pd.factorize(cells)
    return numbers.astype(np.int64), list(values)


def _mostly(numbered: Mapping[str, tuple[Integers, Sequence[str]]], members: Bools, others: Bools) -> str:
    """Return the value of a column that a slice has most more of than the other images, with both shares.

    Args:
        numbered: for each column, the number of each image's value (N,), and the values.
        members: (N,) which images are of the slice.
        others: (N,) which images it is compared with.
    """
    largest, text = 0.0, ""
    for name in _DESCRIBED:
        if name not in numbered or not members.any() or not others.any():
            continue
        numbers, values = numbered[name]
        counts = [np.bincount(numbers[rows], minlength=len(values)) for rows in (members, others)]
        shares = [count / count.sum() for count in counts]
        for place in np.argsort(-counts[0], kind="stable"):
            apart = float(shares[0][place] - shares[1][place])
            if values[place] and apart > largest:
                text = f"{name} {values[place]}: {100 * shares[0][place]:.0f} %, others {100 * shares[1][place]:.0f} %"
                largest = apart
    return text


def _images(part: SlicedPart) -> Iterator[dict[str, Any]]:
    """Yield a row for each image: its slice, the half that it is of, and whether the model errs."""
    rows, error_slices = part.decisions.rows, part.slices
    if rows.called is None or rows.logits is None:
        return
    places = {measured.number: place + 1 for place, measured in enumerate(error_slices.slices)}
    cells = part.decisions.part.columns
    names = [name for name in ("image_id", "view", "repository") if name in cells]
    chances = expit(rows.logits)
    for place, (row, *texts) in enumerate(cells[names].itertuples(name=None)):
        yield {
            **part.decisions.facts,
            "row": int(row),
            **dict(zip(names, texts, strict=True)),
            "slice": places[int(error_slices.numbers[place])],
            "half": "finding" if error_slices.finding[place] else "testing",
            "target": int(rows.positive[place]),
            "called": int(rows.called[place]),
            "probability": float(chances[place]),
        }
