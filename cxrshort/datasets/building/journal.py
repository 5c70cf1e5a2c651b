"""A journal of the cache rows that are finished, so that an interrupted build goes on where it stopped.

One line of JSON per chunk of rows. A line that a kill cut short is dropped, and its rows are made again; since the
pixels of a row depend on its source alone, the bytes are those of an unbroken build.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort import files
from cxrshort.errors import DataError, MissingInputError, UsageError


class Journal:
    """Remember results by cache row.

    Args:
        path: the journal's file.
        fingerprints: what is to be made, one text per row; a journal of another plan is refused.

    Raises:
        UsageError: the journal is of another plan.
        DataError: a line in the middle of the journal is damaged.
    """

    def __init__(self, path: Path, *, fingerprints: Sequence[str]) -> None:
        self._path = path
        self.results: dict[int, dict[str, Any]] = {}
        if path.exists():
            lines, self.results = _read(path, fingerprints)
            files.write_text(path, b"".join(line + b"\n" for line in lines).decode())
        else:
            files.write_text(path, json.dumps({"plan": _digest(fingerprints)}) + "\n")

    def missing(self, count: int) -> list[int]:
        """Return the rows of ``range(count)`` that have no result yet."""
        return [row for row in range(count) if row not in self.results]

    def forget(self, rows: Iterable[int]) -> None:
        """Count these rows as missing; the results that are appended later take the place of the earlier ones."""
        for row in rows:
            del self.results[row]

    def append(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Write the results of one chunk as one line."""
        with files.writing(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(list(results)) + "\n")
        self.results |= _by_row(results)


def read_journal(path: Path, *, fingerprints: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Return the results by cache row of a journal that another process may be writing; it is left as it is.

    Raises:
        MissingInputError: there is no such journal.
        UsageError: the journal is of another plan.
        DataError: a line in the middle of the journal is damaged.
    """
    if not path.exists():
        raise MissingInputError(f"'{path}' does not exist")
    return _read(path, fingerprints)[1]


def _read(path: Path, fingerprints: Sequence[str]) -> tuple[list[bytes], dict[int, dict[str, Any]]]:
    """Return the whole lines of a journal, and the results in them."""
    files.require_regular(path, hint="--force starts over")
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise DataError(
            f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}", "--force starts over"
        ) from error
    results: dict[int, dict[str, Any]] = {}
    try:
        header, *chunks = [json.loads(line) for line in lines] or [{}]
        digest = header["plan"] if header else ""
        for chunk in chunks:
            results |= _by_row(chunk)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"'{path}' is damaged", "--force starts over") from error
    if digest != _digest(fingerprints):
        raise UsageError(f"'{path.parent}' was begun from other images or settings", "--force starts over")
    return lines, results


def _by_row(results: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    return {int(result["row"]): dict(result) for result in results}


def _digest(fingerprints: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(fingerprints)).encode()).hexdigest()
