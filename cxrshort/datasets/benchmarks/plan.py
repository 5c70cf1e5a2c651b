"""The contract of benchmarks with a synthetic shortcut: planned pictures, manifest rows, and drawing.

A class is given away by a confounder (a colour, a scene, a tie). In training pictures of the *majority* the confounder
fits the class; the share of the majority is the confounder strength. Test pictures come in groups: *biased* (it fits),
*unbiased* (it says nothing) and *deceiving* (it fits another class). What would invalidate a result: one source image
on both sides of a split, which is why every row carries its source image as its patient.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.columns import EXCLUDED_COLUMNS
from cxrshort.errors import DataError, UsageError

MAJORITY, MINORITY = "majority", "minority"
BIASED, UNBIASED, DECEIVING = "biased", "unbiased", "deceiving"
TEST_GROUPS = (BIASED, UNBIASED, DECEIVING)

STRENGTH = 1.0
"""Confounder strength of Bassi et al. 2025 (TEA): every training picture belongs to the majority."""


@dataclass(frozen=True)
class Drawing:
    """Hold one picture as it stands in the cache.

    Args:
        pixels: (3, size, size) uint8.
        masks: (size, size) uint8, the bits that ``Benchmark.mask_bits`` names.
        source_height: rows of the source image.
        source_width: columns of the source image.
    """

    pixels: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    source_height: int
    source_width: int


@dataclass(frozen=True)
class Member:
    """Describe one planned picture in words; with `tabulate`, a row of the manifest.

    Args:
        source: name of the source image, unique within the benchmark.
        path: its file, relative to the root.
        label: its class.
        split: ``train``, ``val`` or ``test``.
        group: ``majority`` or ``minority``; in the test fold one of `TEST_GROUPS`.
        confounder: what gives the class away, as a category: ``red``, ``beach``.
        edit: exactly what was painted or pasted; with ``source`` it determines the picture.
    """

    source: str
    path: str
    label: str
    split: str
    group: str
    confounder: str
    edit: str


@dataclass(frozen=True)
class Plan:
    """Hold a benchmark before a pixel is read; candidates are ``len(rows) + len(excluded)``.

    Args:
        rows: one row per picture: manifest columns, ``split``, ``confounder``, and a 0/1 column per class.
        pictures: what the benchmark's ``draw`` takes, one per row.
        excluded: path, patient_id, reason and detail of every candidate that is no picture.
        notes: counted facts to show people.
        root: what paths are relative to.
    """

    rows: pd.DataFrame
    pictures: tuple[Any, ...]
    excluded: pd.DataFrame
    notes: tuple[str, ...]
    root: Path

    def keys(self) -> list[str]:
        """Return a text for each row that changes whenever its picture would."""
        columns = (self.rows[name] for name in ("image_id", "path", "edit"))
        return [" ".join(texts) for texts in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Benchmark:
    """Describe a dataset with a shortcut put in on purpose.

    Args:
        name: its name on the command line.
        labels: its classes, mutually exclusive; columns of the manifest.
        mask_bits: the bits of ``Drawing.masks``.
        size: side of its pictures in the papers, in pixels.
        plan: ``plan(root, confounder_strength=, seed=)`` finds the source files below ``root``.
        draw: ``draw(picture, size=)`` draws one of ``Plan.pictures``; pure.
    """

    name: str
    labels: tuple[str, ...]
    mask_bits: Mapping[str, int]
    size: int
    plan: Callable[..., Plan]
    draw: Callable[..., Drawing]


def spawn_generators(name: str, *, confounder_strength: float, seed: int, streams: int) -> list[np.random.Generator]:
    """Return independent generators for the parts of a plan, so that one part's draws do not move another's.

    Args:
        name: the benchmark.
        confounder_strength: share of the majority among training pictures, 0 to 1.
        seed: 0 or more.
        streams: number of generators.

    Raises:
        UsageError: a number is out of range.
    """
    if not 0 <= confounder_strength <= 1:
        raise UsageError(
            f"--set confounder_strength is '{confounder_strength}', it must be from 0 to 1",
            "the papers use 1, and 0.8 for methods that need a minority",
        )
    if seed < 0:
        raise UsageError(f"seed '{seed}' is below 0", "try --seed 0")
    return np.random.default_rng([seed, crc32(name.encode())]).spawn(streams)


def fold_sizes(count: int) -> tuple[int, int, int]:
    """Return how many of ``count`` images are for train, val and test: eight, one and one tenth."""
    tenth = count // 10
    return count - 2 * tenth, tenth, tenth


def draw_other_class(labels: Sequence[str], own: str, generator: np.random.Generator) -> str:
    """Draw a class other than ``own``, each with the same chance."""
    candidates = [label for label in labels if label != own]
    return candidates[int(generator.integers(len(candidates)))]


def make_plan(
    pairs: Sequence[tuple[Member, Any]],
    *,
    name: str,
    labels: tuple[str, ...],
    root: Path,
    refused: Iterable[tuple[str, str, str, str]] = (),
    notes: Iterable[str] = (),
) -> Plan:
    """Assemble a plan.

    Args:
        pairs: every picture in words, and what is drawn.
        name: the benchmark.
        labels: its classes.
        root: what paths are relative to.
        refused: path, source, reason and detail of the other candidates.
        notes: counted facts.

    Raises:
        DataError: a class has no picture in a fold, so that it could not be learnt or tested.
    """
    excluded = [(path, f"{name}:{source}", reason, detail) for path, source, reason, detail in refused]
    rows = tabulate([member for member, _ in pairs], name=name, labels=labels)
    for split in ("train", "val", "test"):
        present = rows.loc[rows["split"] == split, list(labels)].sum()
        absent = [label for label in labels if not present[label]]
        if absent:
            raise DataError(f"{name}: no image of '{absent[0]}' for the {split} fold", "is the download complete?")
    return Plan(
        rows=rows,
        pictures=tuple(picture for _, picture in pairs),
        excluded=pd.DataFrame(excluded, columns=list(EXCLUDED_COLUMNS), dtype=str),
        notes=tuple(notes),
        root=root,
    )


def tabulate(members: Sequence[Member], *, name: str, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return the manifest rows of planned pictures."""
    patients = [f"{name}:{member.source}" for member in members]
    table: dict[str, Any] = {
        "image_id": [_image_id(name, member) for member in members],
        "path": [member.path for member in members],
        "repository": name,
        "patient_id": patients,
        "person_id": patients,
        "view": "",
        "group": [member.group for member in members],
        "source_image_id": [f"{name}/{member.source}" for member in members],
        "edit": [member.edit for member in members],
    }
    for label in labels:
        table[label] = np.array([member.label == label for member in members], dtype=np.float32)
    table |= {"split": [member.split for member in members], "confounder": [member.confounder for member in members]}
    return pd.DataFrame(table, index=range(len(members)))


def _image_id(name: str, member: Member) -> str:
    """Return a unique name; the versions of a test image differ in their group."""
    suffix = f"/{member.group}" if member.split == "test" else ""
    return f"{name}/{member.source}{suffix}"
