"""Protection of a run's inputs, and of other verbs' outputs, from being overwritten."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort.errors import OutputError

_HINT = "choose another --out"


def refuse_inputs(folder: Path, inputs: Iterable[Path], *, records: Sequence[str]) -> None:
    """Refuse to write over, around or into what a run reads.

    Folders are compared as the file system knows them, so that links, ``..`` and another case change nothing.

    Args:
        folder: the run folder.
        inputs: files and folders that are read. A file that lies in a run folder stands for the whole folder.
        records: names of the files that make a folder a run folder.

    Raises:
        OutputError: with the input that would be in danger.
    """
    place, around = _identity(folder), list(_ancestors(folder))
    for path in inputs:
        try:
            home = path if path.is_dir() else path.parent
            owned = home == path or any((home / name).exists() for name in records)
            above, identity = list(_ancestors(path)), _identity(home)
        except (OSError, ValueError, RuntimeError):  # no file system holds such a path; whoever reads it will say so
            continue
        if place in above:
            raise OutputError(f"--out '{folder}' holds an input, '{path}'", _HINT)
        if owned and identity in around:
            raise OutputError(f"--out '{folder}' lies in an input, '{home}'", _HINT)


def _ancestors(path: Path) -> Iterator[object]:
    """Yield what identifies a path and each folder above it, innermost first."""
    place = path.resolve()
    return map(_identity, (place, *place.parents))


def _identity(path: Path) -> object:
    """Return what tells a file or folder from all others: its inode; its place where there is nothing yet."""
    try:
        status = path.stat()
    except OSError:
        return path.resolve()
    return status.st_dev, status.st_ino


def refuse_other_verb(folder: Path, before: Mapping[str, Any], verb: str) -> None:
    """Refuse to clear what another verb has made, or another program that writes a file of the same name.

    Args:
        folder: the run folder.
        before: its record; an empty one is damaged, and names nothing that could be cleared.
        verb: the verb that is to run.

    Raises:
        OutputError: with the verb that made it.
    """
    maker = before.get("verb")
    if not before or maker == verb:
        return
    description = f"a run of '{maker}'" if isinstance(maker, str) else "a run.json that is not of cxrshort"
    raise OutputError(f"'{folder}' holds {description}, and --force replaces runs of '{verb}' only", _HINT)
