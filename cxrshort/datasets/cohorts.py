"""Candidates of a dataset: those of a cohort, of a repository, or of several joined."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import registry
from cxrshort.columns import CHESTX_RAY14_LABELS, EXCLUDED_COLUMNS, LABELS
from cxrshort.datasets import SOURCES
from cxrshort.datasets.benchmarks import BENCHMARKS
from cxrshort.datasets.catalogue import COHORTS, Cohort, Part
from cxrshort.datasets.phantom.catalogue import DATASETS as PHANTOMS
from cxrshort.datasets.repositories.parsing.corrections import unmatched_corrections
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions, Repository
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.expressions import select_rows

FOLDER = "folder"
"""The repository of a user's own films."""
OUTSIDE, NOT_SAMPLED = "outside the cohort", "not sampled"
"""Why a row that a repository offers is not in the dataset."""


@dataclass(frozen=True)
class Candidates:
    """Hold what is known of a dataset before a pixel is read.

    Args:
        rows: manifest columns without pixels, persons and splits.
        excluded: candidates that are out already: path, patient_id, reason, detail.
        fractions: share of test and val persons by repository.
        notes: counted facts to show people.
        test_patients: patients fixed to the test fold by an official list.
        same_person: pairs of patient ids known to be one person.
        root: what the paths are relative to.
        own_patients: what the patient ids of an unpublished repository are of, see :func:`own_patients`; empty where
            there is none.
    """

    rows: pd.DataFrame
    excluded: pd.DataFrame
    fractions: dict[str, tuple[float, float]]
    notes: tuple[str, ...] = ()
    test_patients: frozenset[str] = frozenset()
    same_person: tuple[tuple[str, str], ...] = ()
    root: Path | None = None
    own_patients: str = ""


def source_names(dataset: str) -> list[str]:
    """Return the repositories that a name, or names joined by commas, stand for.

    Raises:
        UsageError: a name is neither a cohort nor a repository.
    """
    names: list[str] = []
    for part in map(str.strip, dataset.split(",")):
        registry.check_name([*COHORTS, *SOURCES, *BENCHMARKS, *PHANTOMS], part, kind="dataset")
        if part in PHANTOMS or part in BENCHMARKS:
            kind = "phantom dataset" if part in PHANTOMS else "benchmark"
            raise UsageError(f"'{part}' is a {kind}, which cannot be joined with others", "build it alone")
        names += COHORTS[part].sources if part in COHORTS else (part,)
    return list(dict.fromkeys(names))


def parts_of(dataset: str) -> list[tuple[Part, tuple[str, ...]]]:
    """Return what a dataset takes from each repository, and the classes that its cohort sets.

    Raises:
        UsageError: a name is neither a cohort nor a repository.
    """
    source_names(dataset)
    chosen: list[tuple[Part, tuple[str, ...]]] = []
    for name in map(str.strip, dataset.split(",")):
        cohort = COHORTS.get(name, Cohort((Part(name),), ""))
        chosen += [(part, cohort.classes) for part in cohort.parts if (part, cohort.classes) not in chosen]
    readings = {(part.source, part.options) for part, _ in chosen}
    for source in source_names(dataset):
        if sum(read == source for read, _ in readings) > 1:
            raise UsageError(f"'{dataset}' reads {source} in two ways", "build its parts as datasets of their own")
    return chosen


def gather(dataset: str, *, root: Path, options: ReadOptions, where: str = "") -> Candidates:
    """Read the metadata of every repository of a dataset.

    Args:
        dataset: a cohort, a repository, or several joined by commas.
        root: the folder that holds the repositories.
        options: how repositories are read.
        where: expression over the columns; rows that do not fulfil it are excluded.

    Raises:
        MissingInputError: the root or a repository is not there.
        DataError: no radiograph remains; the message counts the reasons.
    """
    chosen = parts_of(dataset)
    if not root.is_dir():
        raise MissingInputError(
            f"'{root}' does not exist", "give the folder of the downloads with --root, or set CXRSHORT_DATA"
        )
    by_source: dict[str, list[Candidates]] = {}
    for part, classes in chosen:
        part_candidates = _read_part(part, classes, root=root, options=options)
        by_source.setdefault(part.source, []).append(part_candidates)
    merged = replace(_merge([_union(parts) for parts in by_source.values()]), root=root.resolve())
    unmatched = unmatched_corrections(_all_names(merged), repositories=list(by_source), more=options.corrections)
    merged = replace(merged, notes=(*merged.notes, *unmatched))
    # Before --where and --sample: two parts of one folder share their patients.
    merged = replace(merged, own_patients=own_patients(merged.rows))
    if where and len(merged.rows):
        merged = keep_rows(merged, select_rows(merged.rows, where), reason="outside --where", detail=where)
    if merged.rows.empty:
        reasons = merged.excluded["reason"].value_counts()
        listed = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
        explanation = "; ".join(merged.notes) if OUTSIDE in reasons else ""  # why its rows say nothing of age, for one
        raise DataError(
            f"'{dataset}' has no radiograph that can be used ({listed})",
            "look at the folder given with --root" + (f"; {explanation}" if explanation else ""),
        )
    return merged


def _all_names(candidates: Candidates) -> list[str]:
    """Return everything that a correction may call a candidate."""
    names = [candidates.rows["image_id"], candidates.rows["path"], candidates.excluded["path"]]
    return [str(name) for column in names for name in column.tolist()]


def own_patients(rows: pd.DataFrame) -> str:
    """Return what tells the patients of an unpublished folder from those of another: a hash of images and patients.

    Two hospitals may both have a patient 1; patients of published repositories are the same wherever they are read.

    Returns:
        Eight hexadecimal digits; empty where no row is of such a folder.
    """
    own = rows[rows["repository"] == FOLDER] if "repository" in rows else rows.head(0)
    if own.empty:
        return ""
    pairs = sorted(zip(own["image_id"].astype(str), own["patient_id"].astype(str), strict=True))
    return hashlib.sha256("\n".join(map("\t".join, pairs)).encode()).hexdigest()[:8]


def home(source: str, root: Path) -> Path:
    """Return the folder of a repository below ``root``."""
    return find_repository(root, registry.load_entry(SOURCES, source, kind="repository"))


def _merge(parts: Sequence[Candidates]) -> Candidates:
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    texts = [str(name) for name in rows if name not in LABELS and not pd.api.types.is_numeric_dtype(rows[name])]
    return Candidates(
        rows=rows.assign(**{name: rows[name].fillna("") for name in texts}),
        excluded=pd.concat([part.excluded for part in parts], ignore_index=True),
        fractions={name: share for part in parts for name, share in part.fractions.items()},
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        test_patients=frozenset().union(*(part.test_patients for part in parts)),
        same_person=tuple(dict.fromkeys(pair for part in parts for pair in part.same_person)),
    )


def _read_part(part: Part, classes: tuple[str, ...], *, root: Path, options: ReadOptions) -> Candidates:
    repository: Repository = registry.load_entry(SOURCES, part.source, kind="repository")
    cache = options.header_cache
    cache = (
        cache / f"{part.source}-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]}.json" if cache else None
    )
    options = replace(options, header_cache=cache, **dict(part.options))
    reading = repository.read(home(part.source, root), root, options)
    # An official list is the whole test fold: nobody else is drawn into it.
    test_fraction = 0.0 if reading.test_patients else repository.test_fraction
    candidates = Candidates(
        rows=reading.rows,
        excluded=reading.excluded[list(EXCLUDED_COLUMNS)],
        fractions={part.source: part.fractions or (test_fraction, repository.val_fraction)},
        notes=tuple(f"{part.source}: {note}" for note in reading.notes),
        test_patients=reading.test_patients if part.fractions is None else frozenset(),
        same_person=reading.same_person,
    )
    if part.where and len(candidates.rows):
        candidates = keep_rows(candidates, select_rows(candidates.rows, part.where), reason=OUTSIDE, detail=part.where)
    if part.one_per_patient and len(candidates.rows):
        chosen = sample_rows(candidates.rows["image_id"], 1, groups=candidates.rows["patient_id"])
        candidates = keep_rows(candidates, chosen, reason=NOT_SAMPLED, detail="one image per patient")
    if part.sample:
        chosen = sample_rows(candidates.rows["image_id"], part.sample)
        candidates = keep_rows(
            candidates, chosen, reason=NOT_SAMPLED, detail=f"{part.sample} of {len(candidates.rows)}"
        )
    if part.published[0]:
        images, patients = part.published
        stated = f"{images:,} images" + (f" of {patients:,} patients" if patients else "")
        counted = f"{len(candidates.rows):,} of {candidates.rows['patient_id'].nunique():,}"
        kind = f" {part.label}" if part.label else ""
        candidates = replace(
            candidates, notes=(*candidates.notes, f"{part.source}{kind}: the paper counts {stated}, here are {counted}")
        )
    candidates = replace(candidates, notes=(*candidates.notes, *_differing_labels(part, candidates.rows)))
    if classes:
        exclusive = {label: np.float32(label == part.label) for label in classes}
        candidates = replace(candidates, rows=candidates.rows.assign(**exclusive))
    return candidates


def _differing_labels(part: Part, rows: pd.DataFrame) -> tuple[str, ...]:
    """Return a note on the labels whose count is not the paper's, where the images are as many as the paper's."""
    if len(rows) != part.published[0]:
        return ()
    findings = rows[[name for name in CHESTX_RAY14_LABELS if name in rows]] == 1
    counts = {**findings.sum(), "No Finding": (~findings.any(axis=1)).sum()}
    differing = [
        f"{label} {count:,}, here {int(counts[label]):,}"
        for label, count in part.published_labels
        if counts[label] != count
    ]
    return (
        (f"{part.source}: {len(differing)} label counts differ from the paper's: {'; '.join(differing)}",)
        if differing
        else ()
    )


def _union(parts: Sequence[Candidates]) -> Candidates:
    """Return several parts of one repository as one.

    Each reading excludes what the other parts take (normal films, and films with pneumonia); every candidate is counted
    once, where it ended.
    """
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    rows = rows[~rows["image_id"].duplicated()].reset_index(drop=True)
    excluded = parts[0].excluded
    in_another_part = excluded["reason"].isin((OUTSIDE, NOT_SAMPLED)) & excluded["path"].isin(set(rows["path"]))
    remaining = excluded[~in_another_part].copy()
    for part in parts[1:]:
        # What one part takes and does not sample is not outside the cohort, whatever another part says.
        not_sampled = part.excluded[part.excluded["reason"] == NOT_SAMPLED].drop_duplicates("path").set_index("path")
        reclassified = (remaining["reason"] == OUTSIDE) & remaining["path"].isin(not_sampled.index)
        remaining.loc[reclassified, "detail"] = remaining.loc[reclassified, "path"].map(not_sampled["detail"])
        remaining.loc[reclassified, "reason"] = NOT_SAMPLED
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return replace(parts[0], rows=rows, excluded=remaining, notes=notes)


def keep_rows(candidates: Candidates, chosen: npt.NDArray[np.bool_], *, reason: str, detail: str) -> Candidates:
    """Exclude the rows that are not chosen, all for one reason."""
    refused = pd.DataFrame({"reason": reason, "detail": detail}, index=candidates.rows.index[~chosen])
    kept = exclude(candidates, refused)
    return replace(kept, rows=kept.rows.reset_index(drop=True))


def sample_rows(
    names: pd.Series, count: int, *, groups: pd.Series | None = None, seed: int = 0
) -> npt.NDArray[np.bool_]:
    """Choose at most ``count`` rows (of each group), by a hash of the seed and the name.

    Args:
        names: image ids.
        count: how many rows stay.
        groups: one value per row; None takes all rows as one group.
        seed: chooses the draw.

    Returns:
        (N,) True where the row stays.
    """
    digests = [hashlib.sha256(f"{seed}/{name}".encode()).hexdigest() for name in names]
    group = ["" for _ in names] if groups is None else groups.tolist()
    table = pd.DataFrame({"digest": digests, "group": group}).sort_values("digest", kind="stable")
    chosen = np.zeros(len(table), np.bool_)
    chosen[table.groupby("group", sort=False).head(count).index.to_numpy()] = True
    return chosen


def keep_sample(candidates: Candidates, count: int, *, per: str | None, seed: int) -> Candidates:
    """Keep at most ``count`` rows (of each value of the column ``per``); the others are excluded.

    Raises:
        UsageError: the number is not above 0, or there is no such column.
    """
    if count < 1:
        raise UsageError(f"--sample is '{count}', it must be above 0")
    if per is not None:
        registry.check_name([str(name) for name in candidates.rows], per, kind="column")
    groups = None if per is None else candidates.rows[per].astype(str)
    chosen = sample_rows(candidates.rows["image_id"], count, groups=groups, seed=seed)
    return keep_rows(candidates, chosen, reason=NOT_SAMPLED, detail=f"{count}" + (f" per {per}" if per else ""))


def published_counts(dataset: str) -> dict[str, int]:
    """Return the images and patients that the paper counts for a cohort; empty where it does not say."""
    images, patients = COHORTS[dataset].published if dataset in COHORTS else (0, 0)
    return {name: count for name, count in (("images", images), ("patients", patients)) if count}


def exclude(candidates: Candidates, refused: pd.DataFrame) -> Candidates:
    """Move rows to the excluded ones.

    Args:
        candidates: what is known so far.
        refused: indexed like ``candidates.rows``, with the columns ``reason`` and ``detail``.
    """
    moved = candidates.rows.loc[refused.index, ["path", "patient_id"]].join(refused)
    return replace(
        candidates,
        rows=candidates.rows.drop(index=refused.index),
        excluded=pd.concat([candidates.excluded, moved[list(EXCLUDED_COLUMNS)]], ignore_index=True),
    )


def builtin_labels(rows: pd.DataFrame) -> list[str]:
    """Return the labels of the built-in repositories that the rows have, in their order."""
    return [label for label in LABELS if label in rows]
