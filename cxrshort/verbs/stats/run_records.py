"""Run folders below a folder: what ran, when, and with what. Only finished runs count; others have no run.json."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cxrshort import places
from cxrshort.errors import CxrshortError, MissingInputError
from cxrshort.json_files import read_record
from cxrshort.runs import DONE

_FIELDS = {"verb": str, "arguments": dict, "summary": dict, "inputs": dict, "started": str, "ended": str}


@dataclass(frozen=True, slots=True, eq=False)
class FinishedRun:
    """Hold one finished run.

    Args:
        folder: where it lies.
        name: the folder as it is called from the one that was searched.
        verb: the command.
        record: its run.json.
        started: when it began; a resumed run began when it was resumed.
        ended: when it ended.
    """

    folder: Path
    name: str
    verb: str
    record: dict[str, Any]
    started: datetime
    ended: datetime

    @property
    def arguments(self) -> dict[str, Any]:
        """Return what the user asked for."""
        return dict(self.record.get("arguments", {}))

    @property
    def summary(self) -> dict[str, Any]:
        """Return the summary that it printed."""
        return dict(self.record.get("summary", {}))

    @property
    def seconds(self) -> float:
        """Return the time from its beginning to its end."""
        return (self.ended - self.started).total_seconds()


def find_runs(folders: Sequence[Path]) -> tuple[list[FinishedRun], list[str]]:
    """Return the finished runs below some folders, in the order of their beginnings, and notes on what is no run.

    Args:
        folders: each is searched with everything below it; links to folders are not followed.

    Raises:
        MissingInputError: a folder is not there, or no run lies below any of them.
    """
    runs: dict[Path, FinishedRun] = {}
    unreadable = []
    for root in folders:
        if not places.exists(root):
            raise MissingInputError(f"'{root}' does not exist", "give a folder of runs, such as runs or results")
        for parent, below, files in os.walk(root):
            below.sort()
            if DONE not in files:
                continue
            folder = Path(parent)
            try:
                run = _read_run(folder, root)
            except CxrshortError as error:
                unreadable.append(error.message)
                continue
            if run is not None:
                runs.setdefault(folder.resolve(), run)
    if not runs:
        listed = ", ".join(f"'{folder}'" for folder in folders)
        raise MissingInputError(f"no finished run below {listed}", "cxrshort train and evaluate write some")
    notes = [f"{len(unreadable)} run.json cannot be read, such as: {unreadable[0]}"] if unreadable else []
    return sorted(runs.values(), key=lambda run: (run.started, run.name)), notes


def _read_run(folder: Path, root: Path) -> FinishedRun | None:
    """Return a run; None for the run.json of other programs and of versions that wrote no times."""
    record = read_record(folder / DONE, _FIELDS, hint="make the run again with --force")
    times = [read_time(record.get(end)) for end in ("started", "ended")]
    if "verb" not in record or record.get("state") != "done" or times[0] is None or times[1] is None:
        return None
    below = folder.relative_to(root).as_posix()
    return FinishedRun(folder, below if below != "." else folder.name, record["verb"], record, times[0], times[1])


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
