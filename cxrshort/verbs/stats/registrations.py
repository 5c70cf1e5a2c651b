"""Preregistrations: files that were sealed at a time, each seal holding the one before.

What would invalidate a seal: the clock of this machine, which its owner sets; and a ledger that was written anew from
its beginning. Both are excluded by publishing the seal where others keep the time (a commit, a registry, a letter).
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cxrshort import files
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.verbs.stats.run_folders import read_time

LEDGER = "registrations.jsonl"
UNCHANGED, CHANGED, MISSING, BROKEN = "unchanged", "changed", "missing", "seal broken"
"""States of a registered file."""
CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"
"""What a registration makes of tests: sealed before any scoring and not changed since, or anything else."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Hold one sealed entry.

    Args:
        file: the file, as seen from the folder of the ledger.
        sha256: of its content.
        time: when it was registered, ISO 8601 in UTC.
        scorings: number of scorings of test folds that there were by then.
        previous: the seal of the entry before; "" for the first one.
        seal: sha256 of all of the above.
    """

    file: str
    sha256: str
    time: str
    scorings: int
    previous: str
    seal: str

    @property
    def moment(self) -> datetime:
        """Return when it was registered."""
        return datetime.fromisoformat(self.time)

    def is_intact(self) -> bool:
        """Return whether the seal fits the entry."""
        facts = {name: value for name, value in asdict(self).items() if name != "seal"}
        return self.seal == _seal(facts)


def _seal(facts: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_registrations(folder: Path) -> list[Registration]:
    """Return the entries of a folder's ledger, oldest first.

    Raises:
        DataError: a line is no entry.
    """
    path = folder / LEDGER
    if not path.is_file():
        return []
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = Registration(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise DataError(f"'{path}': line {number} is no registration", "restore the file from a copy") from error
        if read_time(entry.time) is None:
            raise DataError(f"'{path}': line {number} holds '{entry.time}', not a time", "restore the file from a copy")
        entries.append(entry)
    return entries


def register(path: Path, folder: Path, *, scorings: int, now: datetime | None = None) -> Registration:
    """Seal a file in a folder's ledger and return the entry.

    Args:
        path: the preregistration: hypotheses, primary metric, margin, level, tests.
        folder: where the ledger lies.
        scorings: number of scorings of test folds that there are already.
        now: the time; None for this machine's clock.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is empty.
        UsageError: the same content is registered already.
    """
    if not path.is_file():
        raise MissingInputError(f"'{path}' does not exist", "write hypotheses, metric, margin and level into a file")
    if not path.stat().st_size:
        raise DataError(f"'{path}' is empty", "write hypotheses, metric, margin and level into it")
    entries = read_registrations(folder)
    digest = files.sha256(path)
    before = next((entry for entry in entries if entry.sha256 == digest), None)
    if before is not None:
        raise UsageError(f"'{path}' was registered at {before.time} already", "without --register the ledger is shown")
    time = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    name = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    facts: dict[str, object] = {
        "file": name,
        "sha256": digest,
        "time": time,
        "scorings": scorings,
        "previous": entries[-1].seal if entries else "",
    }
    entry = Registration(name, digest, time, scorings, entries[-1].seal if entries else "", _seal(facts))
    lines = [json.dumps(asdict(item)) for item in (*entries, entry)]
    files.write_text(folder / LEDGER, "\n".join(lines) + "\n")
    return entry


def states(entries: Sequence[Registration], folder: Path) -> list[str]:
    """Return the state of each registered file: `UNCHANGED`, `CHANGED`, `MISSING`, or `BROKEN` for the entry itself."""
    previous = ""
    result = []
    for entry in entries:
        path = folder / entry.file
        if not entry.is_intact() or entry.previous != previous:
            result.append(BROKEN)
        elif not path.is_file():
            result.append(MISSING)
        else:
            result.append(UNCHANGED if files.sha256(path) == entry.sha256 else CHANGED)
        previous = entry.seal
    return result
