"""Sheets and their key on disk, filled in by simulated readers of whom all is known."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.verbs.roentmod.sheet_plan import KEY, SheetRequest, choose_images, plan_readings

FINDINGS = ("Cardiomegaly", "Edema", "Mass")
SHOWN: Mapping[str, tuple[float, ...]] = {
    "cardiomegaly": (0.9, 0.2, 0.0),
    "edema": (0.8, 1.0, 0.0),
    "left upper lobe mass": (0.4, 0.1, 0.7),
    "sham": (0.3, 0.0, 0.0),
}
"""How often an edit shows each finding."""


def write_key(folder: Path, *, sources: int = 20, edits: tuple[str, ...] = tuple(SHOWN), **settings: object) -> Path:
    """Write the key of readings of some edits, and return its path.

    Args:
        folder: for the file.
        sources: originals, of a person each.
        edits: of :data:`SHOWN`.
        settings: of a :class:`~cxrshort.verbs.roentmod.sheet_plan.SheetRequest`.
    """
    rows = [
        {
            "image_id": f"x/{source}#{edit}",
            "source_image_id": f"x/{source}",
            "person_id": f"P{source}",
            "edit": edit,
            "edit_prompt": f"{edit}, please",
            **dict.fromkeys(FINDINGS, 0.0),
        }
        for edit in edits
        for source in range(sources)
    ]
    request = SheetRequest(**settings)  # type: ignore[arg-type]
    key = plan_readings(choose_images(pd.DataFrame(rows), request), request)
    path = folder / "key.csv"
    key[list(KEY)].to_csv(path, index=False)
    return path


def fill(key: Path, *, error: float = 0.0, unsure: float = 0.0, seed: int = 0) -> list[Path]:
    """Write the sheet of each reader beside a key, and return the paths.

    Args:
        key: of :func:`write_key`.
        error: probability that a reader says the opposite of what the image shows.
        unsure: probability of an answer 2.
        seed: draws all of it.
    """
    table = pd.read_csv(key, keep_default_na=False)
    shown = truth(table, seed)
    rng = np.random.default_rng([seed, 1])
    paths = []
    for reader, rows in table.groupby("reader"):
        answers = np.stack([shown[name] for name in rows["image_id"]])
        answers = np.where(rng.random(answers.shape) < error, 1 - answers, answers)
        answers = np.where(rng.random(answers.shape) < unsure, 2, answers)
        columns = {name: answers[:, place] for place, name in enumerate(FINDINGS)}
        fake = (rng.random(len(rows)) < 0.1).astype(int)
        sheet = pd.DataFrame({"reading_id": rows["reading_id"], "image": "", **columns, "artificial": fake})
        paths.append(key.parent / f"answers-{reader}.csv")
        sheet.assign(other_finding=0, notes="").to_csv(paths[-1], index=False)
    return paths


def truth(table: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    """Return what each image shows of :data:`FINDINGS`: exactly the shares of :data:`SHOWN`, by rank of a draw."""
    rng = np.random.default_rng([seed, 0])
    shown: dict[str, np.ndarray] = {}
    for edit, rows in table.drop_duplicates("image_id").sort_values("image_id").groupby("edit"):
        count = len(rows)
        marks = np.zeros((count, len(FINDINGS)), int)
        for place, share in enumerate(SHOWN[str(edit)]):
            marks[rng.permutation(count)[: round(share * count)], place] = 1
        shown |= dict(zip(rows["image_id"], marks, strict=True))
    return shown


def change(path: Path, edit: "object") -> Path:
    """Write a sheet again after a change of its table, and return its path."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    edit(table).to_csv(path, index=False)  # type: ignore[operator]
    return path
