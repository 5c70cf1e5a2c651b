"""What people see of an edited dataset: a row for each edit, and a contact sheet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import manifest as manifests
from cxrshort.dataset import MANIFEST, Dataset, Pixels
from cxrshort.figures.edit_sheet import MOST_EDITS, MOST_IMAGES, EditedFilm, draw_edit_sheet
from cxrshort.generative.roentmod.transform import CHANGE, CHANGED_SHARE
from cxrshort.quantities import quantity
from cxrshort.results import DEFAULT, UNLESS_QUIET, VERBOSE, Block, Facts, Text, text_table

SPREAD = "edit_channel_spread"
"""The column in which an editor of colour pictures says how far they are from grey."""
_MAIN = (
    "editor",
    "strength",
    "guidance",
    "steps",
    "scheduler",
    "denoising_steps",
    "start_timestep",
    "severity",
    "noise",
    "device",
    "unet_precision",
)
"""What is printed of an editor; --verbose prints all of it."""


def edits_table(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each edit of a dataset folder: its words, its finding, how many were made, how much they change.

    Args:
        folder: of the edited dataset.
    """
    manifest = manifests.read_manifest(folder / MANIFEST)
    manifest = manifest.assign(edit=manifest["edit"].str.rpartition(", ")[2])
    rows = []
    for name, part in manifest.groupby("edit", sort=False):
        rows.append(
            {
                "edit": str(name),
                "prompt": str(part["edit_prompt"].iloc[0]),
                "finding": str(part["edit_label"].iloc[0]),
                "images": len(part),
                **{column.removeprefix("edit_"): _median(part, column) for column in (CHANGE, CHANGED_SHARE, SPREAD)},
            }
        )
    return rows


def _median(part: pd.DataFrame, column: str) -> float | None:
    if column not in part:
        return None
    values = pd.to_numeric(part[column], errors="coerce").dropna()
    return round(float(values.median()), 6) if len(values) else None


def edit_blocks(summary: Mapping[str, Any], table: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return what is printed: the editor, the edits, the accounting."""
    editor = {name: str(value) for name, value in summary["editor"].items() if _is_plain(value)}
    every = [(name.replace("_", " "), value) for name, value in editor.items()]
    main = [(name.replace("_", " "), editor[name]) for name in _MAIN if name in editor]
    coloured = any(row["channel_spread"] is not None for row in table)
    cells = [
        [
            row["edit"],
            row["prompt"] or "-",
            row["finding"] or "-",
            f"{row['images']:,}",
            _percent(row["change"]),
            _percent(row["changed_share"]),
            *([_number(row["channel_spread"])] if coloured else []),
        ]
        for row in table
    ]
    header = [
        "edit",
        "prompt",
        "finding",
        "made",
        "change",
        "pixels changed",
        *(["channel spread"] if coloured else []),
    ]
    excluded = sum(summary["excluded"].values())
    name, counts = next(iter(summary["splits"].items()))
    folds = ", ".join(f"{fold} {count:,}" for fold, count in counts.items())
    lines = [
        f"candidates {summary['candidates']:,} = rows {summary['rows']:,} + excluded {excluded:,}",
        f"{quantity(summary['edited_images'], 'image')} of {quantity(summary['people'], 'person')}, splits as those of "
        f"{summary['edited_dataset']}; {name}: {folds}",
        f"labels besides the added finding: {summary['off_target']}",
    ]
    blocks: list[Block] = [
        Facts(main, shown=DEFAULT),
        Facts(every, shown=VERBOSE),
        Text("", shown=UNLESS_QUIET),
        text_table(header, cells, counts=(3, 4, 5, 6)),
        Text("change: median over images of the mean change of grey, of the whole range", shown=UNLESS_QUIET),
        Text("\n".join(lines)),
    ]
    if excluded:
        reasons = [[reason, f"{count:,}"] for reason, count in summary["excluded"].items()]
        blocks.append(text_table(["excluded because", "edits"], reasons, counts=(1,)))
    return blocks


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def draw_sheet(data: Dataset, manifest: pd.DataFrame, *, path: Path, title: str) -> None:
    """Draw some images with all their edits of the first repetition.

    Args:
        data: the originals.
        manifest: of the edits.
        path: the PNG.
        title: above.
    """
    first = manifest[manifest["edit_repetition"] == 0].reset_index(drop=True)
    first = first.assign(edit=first["edit"].str.rpartition(", ")[2])
    edits = list(dict.fromkeys(first["edit"]))[:MOST_EDITS]
    names = list(dict.fromkeys(first["source_image_id"]))
    chosen = [names[place] for place in np.linspace(0, len(names) - 1, min(MOST_IMAGES, len(names))).astype(int)]
    originals = data.pixels.take(pd.Index(data.manifest["image_id"]).get_indexer(chosen))
    pixels = Pixels(first)
    films = []
    for name, original in zip(chosen, originals, strict=True):
        rows = first.index[(first["source_image_id"] == name) & first["edit"].isin(edits)]
        pictures = dict(zip(first["edit"][rows], pixels.take(rows.to_numpy()), strict=True))
        films.append(EditedFilm(name, original, pictures))
    draw_edit_sheet(films, path, edits=edits, title=title)
