"""Give readers edited radiographs without saying which edit each of them is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import forecasts, runs
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError
from cxrshort.manifest import write_table
from cxrshort.models.predictions import image_folders
from cxrshort.results import Column, Facts, Result, Table
from cxrshort.stats.finding_names import canonical
from cxrshort.verbs.roentmod.sheet_files import write_sheets
from cxrshort.verbs.roentmod.sheet_plan import (
    ADDED,
    KEY,
    ORIGINAL,
    READER,
    ROLE,
    SheetRequest,
    choose_images,
    findings_of,
    plan_readings,
)

VERB = "roentmod reader-sheets"
KIND = "reader-sheets"
SHEETS, KEY_FILE = "readers", "key.csv"


def reader_sheets(
    dataset: str,
    *,
    readers: int = 2,
    per_edit: int | None = None,
    findings: Sequence[str] = (),
    originals: str | None = None,
    shared: float = 1.0,
    repeats: int = 0,
    sham: str | None = None,
    seed: int = 0,
    out: Path | None = None,
    dry_run: bool = False,
    force: bool = False,
) -> Result:
    """Write blinded, shuffled reading sheets, a folder for each reader, and the key apart from them.

    Args:
        dataset: the edits.
        readers: how many.
        per_edit: images of each edit; None takes all.
        findings: what readers are asked about; empty takes what the edits add.
        originals: dataset of the images that were edited, which readers then see too; None for edits alone.
        shared: share of the images that every reader reads; each of the others goes to one reader.
        repeats: images that each reader reads twice.
        sham: name of the edit that adds nothing, where it has an unusual one.
        seed: draws images, readers and orders.
        out: the folder; None takes ``results/DATASET-reader-sheets``.
        dry_run: say what would be written, write nothing.
        force: overwrite earlier sheets.

    Raises:
        DataError: no image is an edit, or originals have another size.
        UsageError: a number that is out of range.
        MissingInputError: a dataset is not there.
    """
    request = SheetRequest(readers, per_edit, shared, repeats, findings, sham, seed)
    data = load_dataset(dataset)
    parts = [data] if originals is None else [data, _originals(data, load_dataset(originals))]
    _check_pictures(parts)
    images = choose_images(pd.concat([part.manifest for part in parts], ignore_index=True), request)
    key = plan_readings(images, request)
    findings = findings_of(images, request)
    folder = out or Path("results") / f"{data.name}-{KIND}"
    inputs = {part.name: part.path for part in parts if part.path is not None}
    inputs |= {name: path for part in parts for name, path in image_folders(part).items()}
    height, width = parts[0].pixels.image_shape
    disk_mib = len(key) * height * width / 2**20
    summary, notes = _summarise(data, images, key, findings)
    if dry_run:
        fate = forecasts.preview_folder(folder, VERB, inputs=inputs.values(), force=force, resume=None)
        facts = {"reads": [str(part.path or part.name) for part in parts], "outputs": [fate]}
        facts |= {"disk_mib": round(disk_mib, 2), "disk_free_mib": forecasts.free_disk_mib(folder)}
        return forecasts.dry_run({**facts, **summary}, [("images", f"{len(images):,}"), *_facts(summary)], notes=notes)
    arguments: dict[str, Any] = {"dataset": dataset, "originals": originals, "readers": readers, "per_edit": per_edit}
    arguments |= {"findings": list(request.findings), "shared": shared, "repeats": repeats, "sham": sham, "seed": seed}
    with runs.open_run(folder, VERB, arguments=arguments, inputs=inputs, force=force, resume=None) as run:
        write_sheets(run.path(SHEETS), key, findings, pixels=_reader_of(parts))
        write_table(key[list(KEY)], run.path(KEY_FILE))
        run.finish({"summary": summary})
    return Result(summary, [Facts(_facts(summary)), _table(summary)], notes=notes, folder=folder, kind=KIND)


def _originals(edits: Dataset, originals: Dataset) -> Dataset:
    """Return the rows of the originals that the edits were made from, as they are: without an edit.

    Raises:
        DataError: there is none.
    """
    rows = originals.manifest
    sources = set(edits.manifest["source_image_id"]) if "source_image_id" in edits.manifest else set()
    chosen = rows[rows["image_id"].isin(sources)].reset_index(drop=True)
    if chosen.empty:
        raise DataError(
            f"{originals.name} holds no image that an edit of {edits.name} was made from",
            "--originals takes the dataset that was edited",
        )
    return replace(originals, manifest=chosen.assign(edit="", source_image_id=""))


def _check_pictures(parts: Sequence[Dataset]) -> None:
    """Refuse pictures in colour, and originals by whose size readers would tell them from edits."""
    shapes = [part.pixels.image_shape for part in parts]
    if len(shapes[0]) != 2:
        raise DataError(f"{parts[0].name}: images in colour are no radiographs", "name a dataset of radiographs")
    if len(set(shapes)) > 1:
        sizes = " and ".join("x".join(map(str, shape)) for shape in shapes)
        raise DataError(
            f"edits and originals differ in size ({sizes}), which would unblind readers",
            "build the originals with the size of the edits",
        )


def _reader_of(parts: Sequence[Dataset]) -> Any:
    """Return a function of positions in the joined rows of all parts that reads their pixels."""
    ends = np.cumsum([len(part.manifest) for part in parts])

    def read(positions: Sequence[int]) -> npt.NDArray[np.uint8]:
        pictures = []
        for position in positions:
            number = int(np.searchsorted(ends, position, side="right"))
            start = int(ends[number]) - len(parts[number].manifest)
            pictures.append(parts[number].pixels.take([int(position) - start])[0])
        return np.stack(pictures)

    return read


def _summarise(
    data: Dataset, images: pd.DataFrame, key: pd.DataFrame, findings: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return what is written, and what must be known of it."""
    kinds = images.assign(edit=images["edit"].where(images["edit"] != "", ORIGINAL)).groupby("edit", sort=False)
    edits = [
        {
            "edit": str(name),
            "role": rows[ROLE].iloc[0],
            "added": rows[ADDED].iloc[0],
            "images": len(rows),
            "persons": int(rows["person_id"].nunique()),
        }
        for name, rows in kinds
    ]
    summary = {
        "dataset": data.name,
        "dataset_id": data.dataset_id,
        "findings": list(findings),
        "images": len(images),
        "readings": {str(reader): len(rows) for reader, rows in key.groupby(READER, sort=False)},
        "edits": edits,
    }
    notes = []
    if not any(edit["role"] == "sham" for edit in edits):
        notes.append("no edit adds nothing: how often readers see a finding by mistake will not be known; --sham NAME")
    questions = {canonical(name) for name in findings}
    if missing := [str(edit["added"]) for edit in edits if edit["added"] and canonical(edit["added"]) not in questions]:
        notes.append(f"readers are not asked about a finding that edits add: {', '.join(missing)}")
    notes.append(f"give each reader one folder of {SHEETS}/, and keep {KEY_FILE} and run.json to yourself")
    return summary, notes


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    readings = ", ".join(f"{reader} {count:,}" for reader, count in summary["readings"].items())
    return [("findings", ", ".join(summary["findings"])), ("readings", readings)]


def _table(summary: Mapping[str, Any]) -> Table:
    heads = [
        Column("edit", "edit"),
        Column("is", "role"),
        Column("adds", "added"),
        Column("images", "images", "count"),
        Column("persons", "persons", "count"),
    ]
    return Table(heads, summary["edits"], "Images that are read")
