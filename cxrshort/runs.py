"""Run folders: whatever a verb writes appears whole or not at all, and says how it was made.

A verb writes into one folder. ``run.json`` comes last: a folder whose ``run.json`` says ``done`` is complete. While the
work goes on, ``unfinished.json`` stands in its place, so that ``--resume`` can tell what was begun.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxrshort import locks, overwriting, provenance
from cxrshort.errors import DataError, MissingInputError, OutputError, UsageError
from cxrshort.files import TEMPORARY, escape, sha256, writing
from cxrshort.json_files import finite_values, json_crc32, json_values, read_json, read_record, write_json

if TYPE_CHECKING:  # torch is not on the way of light commands
    from cxrshort.compute import Compute

DONE = "run.json"
UNFINISHED = "unfinished.json"
LOG = "log.jsonl"
SERIES = "series"
"""Where run.json names the folders of the runs that a series is made of."""

_LISTED = 6
"""Arguments that a message names."""


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
        read_only: whether another process writes the run, and this one only knows where it lies.
        staging: where files lie until the run is finished, so that an earlier result stays until then; None where they
            are written in place.
    """

    folder: Path
    verb: str
    arguments: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)
    started: str = ""
    names: set[str] = field(default_factory=set)
    read_only: bool = False
    staging: Path | None = None

    def path(self, name: str) -> Path:
        """Return where the file ``name`` of this run is written, and count it among the run's outputs."""
        first = Path(name).parts[0]
        if first not in self.names:
            self.names.add(first)
            if not (self.read_only or self.staging) and (self.folder / UNFINISHED).exists():
                self.note()
        return (self.staging or self.folder) / name

    def note(self) -> None:
        """Write down in ``unfinished.json`` what was begun."""
        unfinished = {
            "verb": self.verb,
            "arguments": self.arguments,
            "started": self.started,
            "outputs": sorted(self.names),
        }
        write_json(self.folder / UNFINISHED, unfinished)

    def log(self, event: Mapping[str, Any]) -> None:
        """Append one event as one line of ``log.jsonl``; the first of several processes does so for all."""
        if self.read_only:
            return
        with writing(self.path(LOG)), self.path(LOG).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(finite_values(event)) + "\n")

    def finish(self, facts: Mapping[str, Any] | None = None) -> None:
        """Write ``run.json`` with the run's provenance and ``facts``; the folder is then complete."""
        if self.read_only:
            return
        if self.staging is not None:
            self._take_place(self.staging)
        facts = dict(facts or {})
        if "summary" in facts:
            facts["summary_crc32"] = json_crc32(facts["summary"])
        record = {
            "verb": self.verb,
            "state": "done",
            "arguments": self.arguments,
            **facts,
            "inputs": self.inputs,
            "started": self.started,
            "ended": _now(),
            "machine": provenance.machine(),
            "versions": provenance.versions(),
            "outputs": sorted(name for name in self.names if name[0] != "." and (self.folder / name).exists()),
        }
        write_json(self.folder / DONE, record)
        (self.folder / UNFINISHED).unlink(missing_ok=True)

    def _take_place(self, staging: Path) -> None:
        """Put the complete files of this run in the place of an earlier one's; each of them is the old or the new."""
        with writing(self.folder):
            earlier = _outputs(record_of(self.folder / DONE)) - {path.name for path in staging.iterdir()}
            # From here on the folder counts as unfinished, and knows its outputs if this is cut short.
            (self.folder / DONE).replace(self.folder / UNFINISHED)
            replace(self, names=self.names | earlier, staging=None).note()
            for path in list(staging.iterdir()):
                if (target := self.folder / path.name).is_dir():
                    _remove([target])
                path.replace(target)
            _remove(path for path in self.folder.iterdir() if path.name in earlier)
            staging.rmdir()
        self.staging = None


@contextlib.contextmanager
def open_run(
    folder: Path,
    verb: str,
    *,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Path] | None = None,
    compute: "Compute | None" = None,
    force: bool = False,
    resume: bool | None = False,
) -> Iterator[Run]:
    """Open a run folder for this process alone, or for the first of several, while the block runs.

    Args:
        folder: as for :func:`start_run`.
        verb: as for :func:`start_run`.
        arguments: as for :func:`start_run`.
        inputs: as for :func:`start_run`.
        compute: the processes that work on the run; None for a plain process. What the first one refuses is raised in
            all of them.
        force: as for :func:`start_run`.
        resume: as for :func:`start_run`.

    Yields:
        The run; a read-only one in all processes but the first.

    Raises:
        UsageError: both ``force`` and ``resume``.
        OutputError: the folder holds something else or an input, cannot be written, or another process is writing it.
    """
    run = Run(folder, verb, json_values(arguments), read_only=True)
    with contextlib.ExitStack() as stack:

        def begin() -> None:
            nonlocal run
            with writing(folder):
                if not (folder / UNFINISHED).exists():
                    check_free(folder, verb, inputs=(inputs or {}).values(), force=force, resume=bool(resume))
                    folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locks.only_writer(folder))
            run = start_run(folder, verb, arguments=arguments, inputs=inputs, force=force, resume=resume)

        if compute is None or compute.processes == 1:
            begin()
        else:
            from cxrshort import distributed

            distributed.on_first_rank(begin, compute)
        try:
            yield run
        finally:
            if run.staging is not None:
                _remove([run.staging])


def start_run(
    folder: Path,
    verb: str,
    *,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Path] | None = None,
    force: bool = False,
    resume: bool | None = False,
) -> Run:
    """Open a run folder for writing, without a lock; :func:`open_run` is the way for a whole run.

    Args:
        folder: the run folder; made when it is not there.
        verb: the command that writes it.
        arguments: what the user asked for.
        inputs: what is read, by name; the sha256 of files is recorded.
        force: start over in a folder that holds an earlier run of the same verb.
        resume: continue in a folder whose run was interrupted; None for a verb that cannot. Its unfinished run is worth
            nothing and is started over, and with ``force`` an earlier result stays until the new one is complete.

    Raises:
        UsageError: both ``force`` and ``resume``.
        OutputError: the folder holds something else or an input, or cannot be written.
    """
    if force and resume:
        raise UsageError("--force starts over and --resume continues", "give one of them")
    staged = force and resume is None and (folder / DONE).exists()
    if resume is None:
        force = force or (folder / UNFINISHED).exists() and not (folder / DONE).exists()
    with writing(folder):
        check_free(folder, verb, inputs=(inputs or {}).values(), force=force, resume=bool(resume))
        folder.mkdir(parents=True, exist_ok=True)
        if force and not staged:
            _clear(folder)
        _remove(path for path in folder.iterdir() if TEMPORARY.fullmatch(path.name))
    unfinished = record_of(folder / UNFINISHED) if resume and not force else {}
    if unfinished.get("verb", verb) != verb:
        raise OutputError(f"'{folder}' holds an unfinished run of '{unfinished['verb']}'", "choose another --out")
    run = Run(folder, verb, json_values(arguments), _hashes(inputs or {}), _now(), _outputs(unfinished))
    if staged:
        run.staging = folder / f".staging.{os.getpid()}.tmp"  # removed by the next run, should this one be killed
        with writing(folder):
            run.staging.mkdir()
    else:
        run.note()
    return run


def start_series(folder: Path, verb: str, *, arguments: Mapping[str, Any], inputs: Mapping[str, Path]) -> Run:
    """Begin a series of runs, each in a folder of its own within ``folder``, which are no outputs of the series.

    Only ``run.json`` is written, by ``finish``; that of an earlier series is removed, since its runs are made again.

    Args:
        folder: the parent of the run folders; made when it is not there.
        verb: the command that writes them.
        arguments: what they have in common.
        inputs: what is read, by name; the sha256 of files is recorded.

    Raises:
        OutputError: the folder is itself that of a run, or cannot be written.
    """
    check_series(folder, verb)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DONE).unlink(missing_ok=True)
    return Run(folder, verb, json_values(arguments), _hashes(inputs), _now())


def check_series(folder: Path, verb: str) -> None:
    """Refuse a folder in which a series cannot be started, since it is that of a run.

    Raises:
        OutputError: it is so.
    """
    before = record_of(folder / DONE) or record_of(folder / UNFINISHED)
    if before and not (before.get("verb") == verb and SERIES in before):
        raise OutputError(f"'{folder}' holds a run of '{before.get('verb')}', not a series", "choose another --out")


def share_folder(
    folder: Path,
    verb: str,
    *,
    arguments: Mapping[str, Any],
    output: str,
    inputs: Iterable[Path] = (),
    force: bool = False,
) -> None:
    """Open a run folder where several processes write at the same time, each within ``output`` and nowhere else.

    The folder then holds an unfinished run, which one process resumes when all others are done. A finished run stays as
    it is until then.

    Args:
        folder: the run folder; made when it is not there.
        verb: the command that writes it.
        arguments: what the user asked for.
        output: the one name within the folder that is shared.
        inputs: what is read.
        force: a finished run, or an unfinished one of a single process, may be replaced later.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
    """
    with writing(folder):
        check_free(folder, verb, inputs=inputs, force=force, resume=True)
        folder.mkdir(parents=True, exist_ok=True)
    if (folder / DONE).exists():
        return
    unfinished = record_of(folder / UNFINISHED)
    if unfinished and output not in _outputs(unfinished) and not force:
        check_free(folder, verb, force=False, resume=False)
    if output not in _outputs(unfinished):
        Run(folder, verb, json_values(arguments), {}, _now(), {*_outputs(unfinished), output}).note()


def finished_summary(folder: Path, *, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the summary of a complete run of the same arguments: what ``--resume`` finds when nothing is left to do.

    Raises:
        UsageError: the complete run was made with other arguments; the message names which.
        DataError: run.json was changed since.
    """
    if not (folder / DONE).exists():
        return None
    record = read_record(folder / DONE, {"arguments": dict, "summary": dict}, hint="--force starts over")
    before, now = dict(record.get("arguments", {})), json_values(arguments)
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if changed:
        listed = ", ".join(f"{name} was '{before.get(name)}' and is '{now.get(name)}'" for name in changed[:_LISTED])
        listed += f", and {len(changed) - _LISTED} more" if len(changed) > _LISTED else ""
        raise UsageError(f"'{folder}' is complete and was made with other arguments: {listed}", "--force starts over")
    if not is_intact(record):
        raise DataError(f"'{folder / DONE}' was changed since it was written", "--force starts over")
    return dict(record.get("summary", {}))


def is_intact(record: Mapping[str, Any]) -> bool:
    """Return whether the summary of a run.json is the one that the run wrote, by its checksum."""
    actual = json_crc32(record.get("summary", {}))
    return bool(record.get("summary_crc32", actual) == actual)


def check_free(folder: Path, verb: str, *, inputs: Iterable[Path] = (), force: bool, resume: bool) -> None:
    """Refuse a folder in which a run cannot be started or continued.

    Raises:
        OutputError: it holds something else, or an input of the run.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"'{folder}' is a file, not a folder", "choose another --out")
    overwriting.refuse_inputs(folder, inputs, records=(DONE, UNFINISHED))
    if not folder.is_dir():
        return
    if (folder / DONE).exists() and not force:
        raise OutputError(f"'{folder}' exists already", "--force overwrites it, --out writes elsewhere")
    unfinished = (folder / UNFINISHED).exists()
    if unfinished and not (force or resume):
        raise OutputError(f"'{folder}' holds an unfinished run", "--resume continues it, --force starts over")
    if unfinished or (folder / DONE).exists():
        if force:
            overwriting.refuse_other_verb(folder, record_of(folder / DONE) or record_of(folder / UNFINISHED), verb)
        return
    foreign = sorted(
        name for path in folder.iterdir() if not TEMPORARY.fullmatch(name := path.name) and name != locks.LOCK
    )
    if foreign:
        raise OutputError(
            f"'{folder}' holds files that are not a run of cxrshort, such as '{escape(foreign[0])}'",
            "choose another --out",
        )


def ignore_event(event: Mapping[str, Any]) -> None:
    """Ignore an event: of several processes, only the first one reports."""
    del event


def _clear(folder: Path) -> None:
    """Remove what an earlier run wrote, and nothing else that may lie in the folder."""
    if (folder / DONE).exists():
        # From here on the folder counts as unfinished, and still knows its outputs if this is cut short.
        (folder / DONE).replace(folder / UNFINISHED)
    outputs = _outputs(record_of(folder / UNFINISHED))
    _remove(path for path in folder.iterdir() if path.name in outputs)


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def record_of(path: Path) -> dict[str, Any]:
    """Return what a record of a run says; a damaged one says nothing, and must not prevent a new start."""
    try:
        return read_json(path) if path.exists() else {}
    except (DataError, MissingInputError):
        return {}


def _hashes(inputs: Mapping[str, Path]) -> dict[str, str]:
    """Return the sha256 of the inputs that are files."""
    return {name: sha256(path) for name, path in inputs.items() if path.is_file()}


def _outputs(record: Mapping[str, Any]) -> set[str]:
    listed = record.get("outputs")
    return {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
