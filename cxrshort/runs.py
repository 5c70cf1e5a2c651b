"""Run folders: whatever a verb writes appears whole or not at all, and says how it was made.

A verb writes into one folder. ``run.json`` comes last: a folder whose ``run.json`` says ``done`` is complete. While the
work goes on, ``unfinished.json`` stands in its place, so that ``--resume`` can tell what was begun.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from cxrshort import __version__
from cxrshort.errors import DataError, MissingInputError, OutputError, UsageError

DONE = "run.json"
UNFINISHED = "unfinished.json"
LOG = "log.jsonl"
_RECORDED_PACKAGES = (
    "numpy",
    "pandas",
    "pillow",
    "pydicom",
    "safetensors",
    "scikit-learn",
    "scipy",
    "torch",
    "torchvision",
)


_TEMPORARY = re.compile(r"\..+\.[0-9]+\.tmp")
"""What `atomic` calls its temporary files; a kill leaves them behind."""

_REFUSALS = (
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EFBIG,
    errno.EIO,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)


@dataclass
class Run:
    """Hold one run folder while a verb fills it.

    Args:
        folder: where everything is written.
        verb: the command, such as ``"train"``.
        arguments: what the user asked for, as JSON values.
        inputs: sha256 of each input file by its name.
        started: time in ISO 8601, UTC.
        names: files and folders that the run has asked a place for. Only these are its outputs, and only these does
            ``--force`` remove later; what else lies in the folder is somebody's.
    """

    folder: Path
    verb: str
    arguments: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)
    started: str = ""
    names: set[str] = field(default_factory=set)

    def path(self, name: str) -> Path:
        """Return where the file ``name`` of this run lies, and count it among the run's outputs."""
        first = Path(name).parts[0]
        if first not in self.names:
            self.names.add(first)
            if (self.folder / UNFINISHED).exists():
                self.note()
        return self.folder / name

    def note(self) -> None:
        """Write down in ``unfinished.json`` what was begun."""
        begun = {"verb": self.verb, "arguments": self.arguments, "started": self.started, "outputs": sorted(self.names)}
        write_json(self.folder / UNFINISHED, begun)

    def log(self, event: Mapping[str, Any]) -> None:
        """Append one event as one line of ``log.jsonl``."""
        with writing(self.path(LOG)), self.path(LOG).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(_finite(event)) + "\n")

    def finish(self, facts: Mapping[str, Any] | None = None) -> None:
        """Write ``run.json`` with the run's provenance and ``facts``; the folder is then complete."""
        record = {
            "verb": self.verb,
            "state": "done",
            "arguments": self.arguments,
            **(facts or {}),
            "inputs": self.inputs,
            "started": self.started,
            "ended": _now(),
            "machine": _machine(),
            "versions": {"cxrshort": __version__, "python": platform.python_version(), **_package_versions()},
            "outputs": sorted(name for name in self.names if name[0] != "." and (self.folder / name).exists()),
        }
        write_json(self.folder / DONE, record)
        (self.folder / UNFINISHED).unlink(missing_ok=True)


def start(
    folder: Path,
    verb: str,
    *,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Path] | None = None,
    force: bool = False,
    resume: bool | None = False,
) -> Run:
    """Open a run folder for writing.

    Args:
        folder: the run folder; made when it is not there.
        verb: the command that writes it.
        arguments: what the user asked for.
        inputs: files whose sha256 is recorded, by name.
        force: begin anew in a folder that holds an earlier run.
        resume: go on in a folder whose run was interrupted; None for a verb that cannot, whose unfinished run is
            worth nothing and is begun anew.

    Raises:
        UsageError: both ``force`` and ``resume``.
        OutputError: the folder holds something else, or cannot be written.
    """
    if force and resume:
        raise UsageError("--force begins anew and --resume goes on", "give one of them")
    if resume is None:
        force = force or (folder / UNFINISHED).exists() and not (folder / DONE).exists()
    with writing(folder):
        check_free(folder, force=force, resume=bool(resume))
        folder.mkdir(parents=True, exist_ok=True)
        if force:
            _clear(folder)
        _remove(each for each in folder.iterdir() if _TEMPORARY.fullmatch(each.name))
    begun = _record(folder / UNFINISHED) if resume and not force else {}
    if begun.get("verb", verb) != verb:
        raise OutputError(f"'{folder}' holds an unfinished run of '{begun['verb']}'", "choose another --out")
    hashes = {name: sha256(path) for name, path in (inputs or {}).items() if path.is_file()}
    run = Run(folder, verb, json_values(arguments), hashes, _now(), _outputs(begun))
    run.note()
    return run


def share(folder: Path, verb: str, *, arguments: Mapping[str, Any], output: str, force: bool = False) -> None:
    """Open a run folder where several processes write at the same time, each within ``output`` and nowhere else.

    The folder then holds an unfinished run, which one process resumes when all others are done. A finished run stays as
    it is until then.

    Args:
        folder: the run folder; made when it is not there.
        verb: the command that writes it.
        arguments: what the user asked for.
        output: the one name within the folder that is shared.
        force: a finished run, or an unfinished one of a single process, may be replaced later.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
    """
    with writing(folder):
        check_free(folder, force=force, resume=True)
        folder.mkdir(parents=True, exist_ok=True)
    if (folder / DONE).exists():
        return
    begun = _record(folder / UNFINISHED)
    if begun and output not in _outputs(begun) and not force:
        check_free(folder, force=False, resume=False)
    if output not in _outputs(begun):
        Run(folder, verb, json_values(arguments), {}, _now(), {*_outputs(begun), output}).note()


def finished(folder: Path, *, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the summary of a complete run of the same arguments: what ``--resume`` finds when nothing is left to do.

    Raises:
        UsageError: the complete run was made with other arguments; the message names which.
    """
    if not (folder / DONE).exists():
        return None
    record = read_json(folder / DONE)
    before, now = dict(record.get("arguments", {})), json_values(arguments)
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if changed:
        listed = ", ".join(f"{name} was '{before.get(name)}' and is '{now.get(name)}'" for name in changed)
        raise UsageError(f"'{folder}' is complete and was made otherwise: {listed}", "--force begins anew")
    return dict(record.get("summary", {}))


def check_free(folder: Path, *, force: bool, resume: bool) -> None:
    """Refuse a folder in which a run cannot be started, or gone on with.

    Raises:
        OutputError: it holds something else.
    """
    if not folder.is_dir():
        if folder.exists():
            raise OutputError(f"'{folder}' is a file, not a folder", "choose another --out")
        return
    if (folder / DONE).exists() and not force:
        raise OutputError(f"'{folder}' exists already", "--force overwrites it, --out writes elsewhere")
    unfinished = (folder / UNFINISHED).exists()
    if unfinished and not (force or resume):
        raise OutputError(f"'{folder}' holds an unfinished run", "--resume goes on with it, --force begins anew")
    if unfinished or (folder / DONE).exists():
        return
    if any(not _TEMPORARY.fullmatch(each.name) for each in folder.iterdir()):
        raise OutputError(f"'{folder}' holds files that are not a run of cxrshort", "choose another --out")


def shorten(name: str, *, longest: int = 160) -> str:
    """Return a name that a file system takes: what is cut off an overlong one still tells it from others.

    Example:
        >>> shorten("replicate-0"), shorten("replicate-0", longest=3)
        ('replicate-0', 'rep...c6bef3be')
    """
    if len(name) <= longest:  # file systems take 255 bytes
        return name
    return f"{name[:longest]}...{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def silent(event: Mapping[str, Any]) -> None:
    """Take a report and say nothing: the first of several processes speaks for all."""
    del event


def _clear(folder: Path) -> None:
    """Remove what an earlier run wrote, and nothing else that may lie in the folder."""
    if (folder / DONE).exists():
        # From here on the folder counts as unfinished, and still knows its outputs if this is cut short.
        (folder / DONE).replace(folder / UNFINISHED)
    outputs = _outputs(_record(folder / UNFINISHED))
    _remove(each for each in folder.iterdir() if each.name in outputs)


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _record(path: Path) -> dict[str, Any]:
    """Return what a record says; a damaged one says nothing, and must not stand in the way of beginning anew."""
    try:
        return read_json(path) if path.exists() else {}
    except DataError:
        return {}


def _outputs(record: Mapping[str, Any]) -> set[str]:
    listed = record.get("outputs")
    return {each for each in listed if isinstance(each, str)} if isinstance(listed, list) else set()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write ``path`` into one clear error.

    Raises:
        OutputError: a read-only folder, a full disk, a quota.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _REFUSALS:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(
                f"'{path}' cannot be written: {reason}", "free the space or choose another --out"
            ) from error
        raise


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it to ``path`` when the block ends without an error.

    The temporary file is synced to the disk before the rename, so that a reader sees the old file or the new one.

    Raises:
        OutputError: the file cannot be written.
    """
    if not path.parent.is_dir():
        raise OutputError(f"'{path}' cannot be written: '{path.parent}' is not a folder", "make the folder first")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Return the umask; some libraries write files that only their owner can read."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON, atomically; numbers that are not finite become null, since JSON has none."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(_finite(value), indent=2) + "\n", encoding="utf-8")


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_text(path: Path, text: str) -> None:
    """Write ``text``, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DataError: the file is not a JSON object.
        MissingInputError: it cannot be read.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{path}' is not readable as JSON", "make the run again with --force") from error
    if not isinstance(value, dict):
        raise DataError(f"'{path}' is not a JSON object", "make the run again with --force")
    return value


def json_values(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``arguments`` with paths as text and tuples as lists, so that they equal their JSON."""
    return dict(json.loads(json.dumps(dict(arguments), default=str)))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _machine() -> dict[str, Any]:
    return {"host": platform.node(), "system": platform.platform(), "cpus": os.cpu_count(), "command": sys.argv[1:]}


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in _RECORDED_PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
