"""Run folders as evidence: which of the folders that the user names are complete runs, and what their files say.

What would invalidate a conclusion is refused or counted here: a summary that was changed after the run, a run that was
never finished, one folder that was named twice.
"""

import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import files, places, runs
from cxrshort.errors import DataError, MissingInputError
from cxrshort.json_files import read_record
from cxrshort.verbs.stats.source import open_source

TABLE_SUFFIXES = (".csv", ".parquet")
MODEL = "model.safetensors"
_HEADER_KEY = "cxrshort"
_MOST_HEADER = 2**27
"""Bytes of a header beyond which a file is no model."""
_HINT = "give run folders, folders of runs, or tables"
_FIELDS = {"verb": str, "state": str, "arguments": dict, "summary": dict, "inputs": dict, "outputs": list}


@dataclass(frozen=True, eq=False)
class RunFolder:
    """Hold one complete run.

    Args:
        folder: where it lies.
        name: the folder as the user reached it.
        record: what run.json says.
    """

    folder: Path
    name: str
    record: Mapping[str, Any]

    @property
    def verb(self) -> str:
        """Return the command that wrote it, such as ``"train"`` or ``"stats auc"``."""
        return str(self.record.get("verb", ""))

    @property
    def arguments(self) -> dict[str, Any]:
        """Return what the user asked for."""
        return dict(self.record.get("arguments", {}))

    @property
    def summary(self) -> dict[str, Any]:
        """Return what came out."""
        return dict(self.record.get("summary", {}))

    @property
    def is_series(self) -> bool:
        """Return whether it stands for several runs below it, and holds nothing itself."""
        return runs.SERIES in self.record

    def has(self, name: str) -> bool:
        """Return whether the run wrote this file and the file is still there."""
        return name in self.record.get("outputs", ()) and (self.folder / name).is_file()

    def read_table(self, name: str) -> pd.DataFrame:
        """Return a table of the run, every cell as text; one without rows and columns where the run has none."""
        return read_text_table(self.folder / name) if self.has(name) else pd.DataFrame()

    def source(self, file: str = runs.DONE, field: str = "") -> str:
        """Return where a fact stands, such as ``"runs/a/run.json: summary.selection"``."""
        return f"{self.name}/{file}{f': {field}' if field else ''}"

    @cached_property
    def model_header(self) -> dict[str, Any]:
        """Return the description and ``parameters``, the number of weights, of the run's model; empty without one."""
        return read_model_header(self.folder / MODEL) if self.has(MODEL) else {}

    @cached_property
    def manifest_sha256(self) -> str:
        """Return the hash of the run's manifest as it is now; empty without one."""
        return files.sha256(self.folder / "manifest.csv") if self.has("manifest.csv") else ""


@dataclass(frozen=True, eq=False)
class RunFolders:
    """Hold everything that was found below the paths of the user.

    Args:
        runs: the complete ones, in order of their names.
        tables: files of tables that were named themselves and belong to no run among these.
        unfinished: the names of folders whose run was not finished.
    """

    runs: tuple[RunFolder, ...]
    tables: tuple[Path, ...]
    unfinished: tuple[str, ...]

    def of(self, *verbs: str) -> list[RunFolder]:
        """Return the runs of these commands; a series counts by its members."""
        return [run for run in self.runs if run.verb in verbs and not run.is_series]

    @property
    def notes(self) -> list[str]:
        """Return what was left out."""
        if not self.unfinished:
            return []
        listed = ", ".join(self.unfinished[:3]) + (", ..." if len(self.unfinished) > 3 else "")
        count = len(self.unfinished)
        return [f"{count} unfinished {'run is' if count == 1 else 'runs are'} left out, and prove nothing: {listed}"]


def collect_runs(paths: Sequence[str | Path]) -> RunFolders:
    """Find the runs in and below folders.

    Args:
        paths: run folders, folders of runs, files within a run folder, or tables.

    Raises:
        DataError: nothing is there to read, or a summary was changed since its run.
        MissingInputError: a path does not exist.
    """
    complete: dict[Path, RunFolder] = {}
    tables: dict[Path, Path] = {}
    unfinished: dict[Path, str] = {}
    for path in map(Path, paths):
        if not places.exists(path):
            raise MissingInputError(f"'{path}' does not exist", _HINT)
        if path.is_file() and not (path.parent / runs.DONE).exists():
            if path.suffix not in TABLE_SUFFIXES:
                raise DataError(f"'{path}' is neither a run folder nor a table", _HINT)
            tables[path.resolve()] = path
            continue
        root = path if path.is_dir() else path.parent
        for folder in _folders(root, deep=path.is_dir()):
            if (folder / runs.DONE).is_file():
                complete.setdefault(folder.resolve(), _read_run(folder))
            elif (folder / runs.UNFINISHED).is_file():
                unfinished[folder.resolve()] = folder.as_posix()
    if not complete and not tables:
        listed = ", ".join(f"'{path}'" for path in paths)
        raise DataError(f"no complete run lies in or below {listed}", _HINT)
    ordered = tuple(sorted(complete.values(), key=lambda run: run.name))
    return RunFolders(ordered, tuple(tables.values()), tuple(sorted(unfinished.values())))


def _folders(root: Path, *, deep: bool) -> Iterator[Path]:
    """Yield a folder and those below it, without hidden ones; links are not followed."""
    if not deep:
        yield root
        return
    for folder, names, _ in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield Path(folder)


def _read_run(folder: Path) -> RunFolder:
    record = read_record(folder / runs.DONE, _FIELDS, hint="make the run again with --force")
    if not runs.is_intact(record):
        raise DataError(f"'{folder / runs.DONE}' was changed since it was written", "make the run again with --force")
    return RunFolder(folder, folder.as_posix(), record)


def read_text_table(path: Path) -> pd.DataFrame:
    """Return a table with every cell as text, ``""`` where there is none.

    Raises:
        DataError: it is no table.
        MissingInputError: it cannot be read.
    """
    if path.suffix == ".csv" and places.is_file(path) and path.stat().st_size <= len("\r\n"):
        return pd.DataFrame()  # a run writes such a table where it had nothing to put in it
    source = open_source(path)
    try:
        return source.read(texts=source.columns)
    except DataError as error:
        if "is empty" in error.message:
            return pd.DataFrame(columns=list(source.columns))
        raise


def read_model_header(path: Path) -> dict[str, Any]:
    """Return what a model file says of itself, and ``parameters``, the number of its weights and buffers.

    Only the header is read: eight bytes of its length, then JSON. No network is built.

    Raises:
        DataError: it is not a model file.
        MissingInputError: it cannot be read.
    """
    refusal = DataError(f"'{path}' is not a model file", "train the model again")
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _MOST_HEADER:
                raise refusal
            content = stream.read(length)
        if len(content) < length:
            raise refusal
        header = json.loads(content)
        metadata = header.pop("__metadata__", {})
        description = json.loads(metadata.get(_HEADER_KEY, "{}"))
        parameters = sum(_size(tensor["shape"]) for tensor in header.values())
    except OSError as error:
        raise MissingInputError(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (struct.error, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise refusal from error
    return {**description, "parameters": parameters}


def _size(shape: Sequence[int]) -> int:
    size = 1
    for side in shape:
        size *= int(side)
    return size
