"""Run folders: which of the folders that the user names are finished runs, when they ran, and what their files say.

They are read in two ways. As evidence (:func:`collect_runs`) of what a study shows: what would invalidate a conclusion
is refused or counted, such as a summary that was changed after the run, a run that was never finished, one folder that
was named twice. As a history (:func:`find_runs`) of what was done: a run counts whatever became of its results, hidden
folders are searched too, and a run.json that cannot be read is counted in a note.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import files, places, runs
from cxrshort.errors import CxrshortError, DataError, MissingInputError
from cxrshort.json_files import read_record
from cxrshort.verbs.stats.model_headers import read_tensor_sizes
from cxrshort.verbs.stats.source import open_source

TABLE_SUFFIXES = (".csv", ".parquet")
MODEL = "model.safetensors"
AUDITS = ("explain", "swap-test")
"""Commands that look for what drives a model."""
_HINT = "give run folders, folders of runs, or tables"
_AGAIN = "make the run again with --force"
_FIELDS = {"verb": str, "arguments": dict, "summary": dict, "inputs": dict}
_EVIDENCE = {**_FIELDS, "state": str, "outputs": list}
_HISTORY = {**_FIELDS, "started": str, "ended": str}


@dataclass(frozen=True, eq=False)
class RunFolder:
    """Hold one finished run.

    Args:
        folder: where it lies.
        name: the folder as the user reached it; of a history, as it is called from the folder that was searched.
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
    def inputs(self) -> dict[str, Any]:
        """Return the sha256 of what it read, by name."""
        return dict(self.record.get("inputs", {}))

    @property
    def dataset_name(self) -> str:
        """Return the name of the dataset that the run made."""
        return str(self.record.get("name") or self.folder.name)

    @property
    def is_dated(self) -> bool:
        """Return whether run.json says when it began and ended."""
        return all(read_time(self.record.get(field)) is not None for field in ("started", "ended"))

    @property
    def started(self) -> datetime:
        """Return when it began; a resumed run began when it was resumed.

        Raises:
            DataError: run.json does not say.
        """
        return self._time("started")

    @property
    def seconds(self) -> float:
        """Return the time from its beginning to its end.

        Raises:
            DataError: run.json does not say.
        """
        return (self._time("ended") - self.started).total_seconds()

    def _time(self, field: str) -> datetime:
        time = read_time(self.record.get(field))
        if time is None:
            raise DataError(
                f"'{self.folder / runs.DONE}': field '{field}' is '{self.record.get(field)}', it must be a time",
                _AGAIN,
            )
        return time

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
    def weights(self) -> int:
        """Return the number of weights and buffers of the run's model; 0 without one."""
        return sum(read_tensor_sizes(self.folder / MODEL).values()) if self.has(MODEL) else 0

    @cached_property
    def manifest_sha256(self) -> str:
        """Return the hash of the run's manifest as it is now; empty without one."""
        return files.sha256(self.folder / places.MANIFEST) if self.has(places.MANIFEST) else ""


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
        searched = (folder for folder, _ in _walk(path, hidden=False)) if path.is_dir() else [path.parent]
        for folder in searched:
            if (folder / runs.DONE).is_file():
                complete.setdefault(folder.resolve(), _read_evidence(folder))
            elif (folder / runs.UNFINISHED).is_file():
                unfinished[folder.resolve()] = folder.as_posix()
    if not complete and not tables:
        listed = ", ".join(f"'{path}'" for path in paths)
        raise DataError(f"no complete run lies in or below {listed}", _HINT)
    ordered = tuple(sorted(complete.values(), key=lambda run: run.name))
    return RunFolders(ordered, tuple(tables.values()), tuple(sorted(unfinished.values())))


def _walk(root: Path, *, hidden: bool) -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder and those below it, each with the names of its files; links to folders are not followed."""
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if hidden or not name.startswith("."))
        yield Path(folder), names


def _read_evidence(folder: Path) -> RunFolder:
    run = _read_run(folder, folder.as_posix(), _EVIDENCE)
    if not runs.is_intact(run.record):
        raise DataError(f"'{folder / runs.DONE}' was changed since it was written", _AGAIN)
    return run


def _read_run(folder: Path, name: str, fields: Mapping[str, type]) -> RunFolder:
    return RunFolder(folder, name, read_record(folder / runs.DONE, fields, hint=_AGAIN))


def find_runs(folders: Sequence[Path]) -> tuple[list[RunFolder], list[str]]:
    """Return the runs made below some folders, in the order of their beginnings, and notes on unreadable files.

    Runs of other programs, and of versions that wrote no times, are none.

    Args:
        folders: each is searched with everything below it.

    Raises:
        MissingInputError: a folder is not there, or no run lies below any of them.
    """
    dated: dict[Path, RunFolder] = {}
    unreadable = []
    for root in folders:
        if not places.exists(root):
            raise MissingInputError(f"'{root}' does not exist", "give a folder of runs, such as runs or results")
        for folder, names in _walk(root, hidden=True):
            if runs.DONE not in names:
                continue
            below = folder.relative_to(root).as_posix()
            try:
                run = _read_run(folder, below if below != "." else folder.name, _HISTORY)
            except CxrshortError as error:
                unreadable.append(error.message)
                continue
            if "verb" in run.record and run.record.get("state") == "done" and run.is_dated:
                dated.setdefault(folder.resolve(), run)
    if not dated:
        listed = ", ".join(f"'{folder}'" for folder in folders)
        raise MissingInputError(f"no finished run below {listed}", "cxrshort train and evaluate write some")
    notes = [f"{len(unreadable)} run.json cannot be read, such as: {unreadable[0]}"] if unreadable else []
    return sorted(dated.values(), key=lambda run: (run.started, run.name)), notes


def read_time(text: Any) -> datetime | None:
    """Return a time with its zone; None where the text is none.

    Example:
        >>> str(read_time("2026-11-28T05:47:03+00:00")), read_time("yesterday")
        ('2026-11-28 05:47:03+00:00', None)
    """
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else None


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
