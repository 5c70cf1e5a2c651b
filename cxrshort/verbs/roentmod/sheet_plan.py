"""Who reads which image, in which order and under which name: what a key file says, and a sheet must not.

What would unblind a reader: names that say what an image is, edits in the order in which they were made, the edits of
one person one after the other, an image that stands in the same place for all readers. So every reader has an order of
their own, names count the places in it, and a person's images stand apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrshort import manifest as manifests
from cxrshort.errors import DataError, UsageError
from cxrshort.quantities import quantity
from cxrshort.stats.finding_names import canonical, edit_role, label_of
from cxrshort.stats.named_draws import named_generator

READING, READER, REPETITION = "reading_id", "reader", "repetition"
ROLE, ADDED, PROMPT = "role", "added", "edit_prompt"
KEY = (READING, READER, REPETITION, "image_id", "source_image_id", "person_id", "edit", ROLE, ADDED, PROMPT)
"""The columns of a key file: ``role`` is ``edit``, ``sham``, ``round trip`` or ``original``, ``added`` the finding."""
ORIGINAL = "original"
APART = 5
"""Images of other persons between two of one person, where there are enough."""
MOST_READERS = 99


@dataclass(frozen=True, slots=True)
class SheetRequest:
    """Say what readers are given.

    Args:
        readers: how many.
        per_edit: images of each edit, drawn by source; None takes all.
        shared: share of the images that every reader reads; each of the others goes to one reader.
        repeats: images that each reader reads twice.
        findings: columns to be filled in; empty takes those that the edits add.
        sham: name of the edit that adds nothing, where it has an unusual one.
        seed: draws images, readers and orders.

    Raises:
        UsageError: a number that is out of range.
    """

    readers: int = 2
    per_edit: int | None = None
    shared: float = 1.0
    repeats: int = 0
    findings: Sequence[str] = ()
    sham: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.readers <= MOST_READERS:
            raise UsageError(f"--readers {self.readers} is not from 1 to {MOST_READERS}", "try 2")
        if not 0 <= self.shared <= 1:
            raise UsageError(f"--shared {self.shared:g} is not a share from 0 to 1", "1: all readers read all images")
        if self.repeats < 0 or (self.per_edit is not None and self.per_edit < 1):
            raise UsageError("--repeats and --per-edit count images", "leave them out for none, and for all images")


def choose_images(manifest: pd.DataFrame, request: SheetRequest) -> pd.DataFrame:
    """Return the images to be read, with what was added to each.

    Images are drawn by source, the same sources for every edit, so that each edit has its sham beside it.

    Args:
        manifest: rows of edits, and of originals where readers see these too.
        request: what readers are given.

    Returns:
        The columns of :data:`KEY` that are of images, and ``position``, the row of each in the manifest.

    Raises:
        DataError: no row is an edit.
    """
    labels = manifests.label_columns(manifest)
    texts = {name: _text(manifest, name) for name in ("image_id", "source_image_id", "person_id", "edit", PROMPT)}
    table = pd.DataFrame(texts).assign(position=np.arange(len(manifest)))
    is_edit = table["edit"] != ""
    if not is_edit.any():
        raise DataError("no image has an edit", "cxrshort roentmod edit writes a dataset of edits")
    stated = _text(manifest, "edit_label")
    roles = [edit_role(edit, request.sham) if edit else ORIGINAL for edit in table["edit"]]
    added = [
        (label or label_of(edit, labels) or edit) if role == "edit" else ""
        for edit, role, label in zip(table["edit"], roles, stated, strict=True)
    ]
    source = table["source_image_id"].where(is_edit & (table["source_image_id"] != ""), table["image_id"])
    table = table.assign(**{ROLE: roles, ADDED: added}, source=source)
    if request.per_edit is not None:
        order = named_generator(request.seed, "sources").permutation(sorted(set(source)))
        places = {name: place for place, name in enumerate(order)}
        ranks = table.assign(place=source.map(places)).groupby("edit")["place"].rank(method="first")
        table = table[ranks <= request.per_edit]
    return table.drop(columns="source").reset_index(drop=True)


def _text(manifest: pd.DataFrame, name: str) -> "pd.Series[str]":
    if name not in manifest:
        return pd.Series("", manifest.index, dtype=object)
    return manifest[name].astype(object).where(manifest[name].notna(), "").astype(str)


def findings_of(images: pd.DataFrame, request: SheetRequest) -> list[str]:
    """Return the findings that readers are asked about.

    Raises:
        UsageError: one is named twice.
    """
    if request.findings:
        names = [canonical(name) for name in request.findings]
        for name, plain_name in zip(request.findings, names, strict=True):
            if names.count(plain_name) > 1:
                raise UsageError(f"'{name}' is named twice, or under two names", "name each finding once")
        return list(request.findings)
    named: dict[str, str] = {}
    for added in images[ADDED]:
        if added:
            named.setdefault(canonical(added), added)
    return list(named.values())


def plan_readings(images: pd.DataFrame, request: SheetRequest) -> pd.DataFrame:
    """Return the key: every reading of every reader, in the order in which it is read.

    Args:
        images: as :func:`choose_images` returns them.
        request: what readers are given.

    Returns:
        The columns of :data:`KEY`, and ``position``.

    Raises:
        UsageError: fewer images than readers, or fewer images of a reader than are to be read twice.
    """
    if len(images) < request.readers:
        raise UsageError(
            f"{quantity(len(images), 'image is', 'images are')} fewer than {request.readers:,} readers",
            "ask fewer readers",
        )
    shares = _assign(len(images), request)
    width = max(3, len(str(len(images) + request.repeats)))
    parts = []
    for number, chosen in enumerate(shares, start=1):
        reader = f"R{number}"
        order, repetition = _order(images.iloc[chosen], request, reader)
        names = [f"{reader}-{place:0{width}d}" for place in range(1, len(order) + 1)]
        rows = images.iloc[chosen[order]].reset_index(drop=True)
        rows[READING], rows[READER], rows[REPETITION] = names, reader, repetition
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)[[*KEY, "position"]]


def _assign(count: int, request: SheetRequest) -> list["np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """Return the images of each reader: some that all read, and a part of the others."""
    order = named_generator(request.seed, "readers").permutation(count)
    everybody = round(request.shared * count)
    return [
        np.concatenate([order[:everybody], order[everybody + number :: request.readers]])
        for number in range(request.readers)
    ]


def _order(
    images: pd.DataFrame, request: SheetRequest, reader: str
) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", list[int]]:
    """Return the places of one reader's images in the order of reading, and which reading of each it is.

    An image that is read twice stands in the first and in the last two fifths of the sheet.
    """
    count = len(images)
    if request.repeats > count:
        raise UsageError(
            f"{request.repeats} images cannot be read twice by {reader}, who has {count}", "lower --repeats"
        )
    rng = named_generator(request.seed, "order", reader)
    twice = rng.permutation(count)[: request.repeats]
    when = rng.random(count)
    when[twice] *= 0.4
    again = 0.6 + 0.4 * rng.random(len(twice))
    members = np.concatenate([np.arange(count), twice])
    order = np.argsort(np.concatenate([when, again]), kind="stable")
    persons = images["person_id"].to_numpy(object)[members]
    order = order[_stand_apart(persons[order])]
    return members[order].astype(np.int64), [1 if place < count else 2 for place in order]


def _stand_apart(persons: "np.ndarray[tuple[int], np.dtype[np.object_]]") -> list[int]:
    """Return an order near the present one in which images of one person are as far apart as `APART` says.

    Where no other person is left to stand between, they are not.
    """
    waiting, order = list(range(len(persons))), list[int]()
    recent: list[object] = []
    while waiting:
        place = next((place for place, row in enumerate(waiting) if persons[row] not in recent), 0)
        row = waiting.pop(place)
        order.append(row)
        recent = [*recent, persons[row]][-APART:]
    return order
