"""Corrections of single images, as data: what people found by looking at published archives.

A correction is a line of a CSV file: ``path_or_name, action, reason``. Each repository may have such a file beside its
reader; users add their own. Matching is by base name, since downloads are unpacked under many folder names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxrshort.columns import VIEWS
from cxrshort.errors import DataError
from cxrshort.tables import read_table

ACTIONS = ("drop", "lateral", "flip", "skip_windowing", *(f"view={view}" for view in VIEWS))
_PIXEL_ACTIONS = ("flip", "skip_windowing")
_FOLDER = Path(__file__).parent.parent / "corrections"


@dataclass(frozen=True)
class Corrected:
    """Hold candidates after correction.

    Args:
        candidates: with corrected ``view``; where an action concerns pixels, the column ``correction`` names it
            (``flip`` or ``skip_windowing``, joined by ``;``) for whoever decodes the file.
        dropped: for each candidate why it is dropped, ``""`` where it is not.
    """

    candidates: pd.DataFrame
    dropped: pd.Series


def correct(candidates: pd.DataFrame, *, repository: str, more: Path | None = None) -> Corrected:
    """Apply the corrections of a repository and then those of the user.

    Args:
        candidates: with ``image_id`` (a name, or a path that ends in it), optionally ``view``.
        repository: its own corrections are read from the package where there are any.
        more: a file of further corrections.

    Raises:
        DataError: a file has an unknown action.
    """
    files = _files([repository], more)
    dropped = pd.Series("", index=candidates.index, dtype=str)
    if not files:
        return Corrected(candidates, dropped)
    corrections = pd.concat([_read(path) for path in files], ignore_index=True)
    names = pd.Series(_base_names(candidates["image_id"]), index=candidates.index, dtype=str)
    per_action = {action: table for action, table in corrections.groupby("action", sort=False)}
    for action, table in per_action.items():
        reasons = dict(zip(table["name"], table["reason"], strict=True))
        hit = names.isin(reasons)
        if action == "drop":
            dropped = dropped.mask(hit, names.map(reasons).astype(str).replace("", "no reason given"))
        else:
            candidates = _apply(candidates, hit, str(action))
    return Corrected(candidates, dropped)


def unmatched_corrections(names: Iterable[str], *, repositories: Sequence[str], more: Path | None) -> tuple[str, ...]:
    """Return a note on the corrections that match no image of a dataset, whatever repository it is from.

    Args:
        names: image ids and paths of all candidates.
        repositories: whose own corrections were applied.
        more: the user's file.
    """
    files = _files(repositories, more)
    if not files:
        return ()
    corrections = pd.concat([_read(path) for path in files], ignore_index=True).drop_duplicates("path_or_name")
    return _note(corrections[~corrections["name"].isin(set(_base_names(names)))])


def _files(repositories: Sequence[str], more: Path | None) -> list[Path]:
    own = [_FOLDER / f"{repository}.csv" for repository in repositories]
    return [*(path for path in own if path.is_file()), *([more] if more else [])]


def _base_names(paths: Iterable[str]) -> list[str]:
    return [path.rpartition("/")[2] for path in paths]


def _read(path: Path) -> pd.DataFrame:
    table, _ = read_table(path, ("path_or_name", "action"), optional=("reason",))
    unknown = sorted(set(table["action"]).difference(ACTIONS))
    if unknown:
        raise DataError(f"{path.name}: '{unknown[0]}' is not a known action", f"one of: {', '.join(ACTIONS)}")
    return table.assign(name=_base_names(table["path_or_name"]))


def _apply(candidates: pd.DataFrame, hit: pd.Series, action: str) -> pd.DataFrame:
    if action in _PIXEL_ACTIONS:
        before = candidates["correction"] if "correction" in candidates else pd.Series("", index=hit.index, dtype=str)
        joined = (before + ";" + action).str.lstrip(";")
        return candidates.assign(correction=before.mask(hit, joined))
    view = "LATERAL" if action == "lateral" else action.removeprefix("view=")
    return candidates.assign(view=candidates["view"].mask(hit, view)) if "view" in candidates else candidates


def _note(unmatched: pd.DataFrame) -> tuple[str, ...]:
    if unmatched.empty:
        return ()
    shown = ", ".join(unmatched["path_or_name"].str.slice(0, 100)[:3])
    return (f"{len(unmatched)} corrections match no image: {shown}{', ...' if len(unmatched) > 3 else ''}",)
