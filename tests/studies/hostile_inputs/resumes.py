"""Interrupted work that was altered before --resume, and results that are there already; signals and streams."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from .base import CPU, TRAIN, copy
from .case import ANY_REFUSAL, DATA, DONE, FAILED, INTERRUPTED, MISSING, OUTPUT, RESUMABLE, USAGE, Case
from .values import altered

FAMILY = "resumes"
WRITTEN_ANEW = (DONE, *ANY_REFUSAL)


def cases(bases: Path, rng: Random) -> Iterator[Case]:
    """Yield the cases."""
    yield from _trainings(bases, rng)
    yield from _shards(bases, rng)
    yield from _results(bases)
    yield from _streams(bases)
    yield from _signals(bases)


def _ways(whole: bytes, rng: Random) -> dict[str, Callable[[Path], object]]:
    """Return what may have happened to a file."""
    flipped = []
    for _ in range(6):
        data = bytearray(whole)
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        flipped.append(bytes(data))
    ways: dict[str, Callable[[Path], object]] = {
        "missing": lambda path: None,
        "empty": lambda path: path.write_bytes(b""),
        "cut": lambda path: path.write_bytes(whole[: len(whole) // 2]),
        "without its end": lambda path: path.write_bytes(whole[:-3]),
        "longer": lambda path: path.write_bytes(whole + b"\0\xff{"),
        "JSON of another kind": lambda path: path.write_bytes(b"[3]\n"),
        "an object": lambda path: path.write_bytes(b"{}\n"),
        "bytes": lambda path: path.write_bytes(b"\xff\xfe\0" * 20),
        "a folder": lambda path: path.mkdir(),
        "a pipe": lambda path: os.mkfifo(path),
        "a loop": lambda path: path.symlink_to(path.name),
        "a link to nothing": lambda path: path.symlink_to("nowhere/x"),
        "a device": lambda path: path.symlink_to("/dev/full"),
    }
    return ways | {f"flipped {n}": lambda path, data=data: path.write_bytes(data) for n, data in enumerate(flipped)}


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def _trainings(bases: Path, rng: Random) -> Iterator[Case]:
    files = sorted(path for path in (bases / "half").iterdir() if path.is_file())
    again = ("train", "--dataset", bases / "data", *TRAIN, "--out", "out", "--epochs", "4000")
    # A resumed run is stopped by a signal again, since it would go on for minutes.
    for file in files:
        for name, make in _ways(file.read_bytes(), rng).items():
            for more in (("--resume",), ("--force", "--json"), ()):
                yield _altered(
                    bases,
                    "half",
                    f"{file.name} {name}",
                    file.name,
                    make,
                    [*again, *more],
                    (DONE, RESUMABLE, INTERRUPTED, *ANY_REFUSAL),
                    stop=3.0,
                )
    record = json.loads((bases / "half" / "unfinished.json").read_text())
    for key in record:
        for name, changed in altered(record, (key,)):
            data = json.dumps(changed).encode()
            yield _altered(
                bases,
                "half",
                f"unfinished.json {name}",
                "unfinished.json",
                lambda path, data=data: path.write_bytes(data),
                [*again, "--resume"],
                (RESUMABLE, INTERRUPTED, *ANY_REFUSAL),
                stop=3.0,
            )
    log = (bases / "half" / "log.jsonl").read_text().splitlines()
    for name, line in {
        "an empty object": "{}",
        "a list": "[1]",
        "no epoch": '{"step": 3}',
        "a text epoch": '{"epoch": "x"}',
        "null": "null",
        "number": "7",
        "epoch null": '{"epoch": null}',
    }.items():
        data = "\n".join([line, *log]).encode() + b"\n"
        yield _altered(
            bases,
            "half",
            f"log.jsonl {name}",
            "log.jsonl",
            lambda path, data=data: path.write_bytes(data),
            [*again, "--resume"],
            (RESUMABLE, INTERRUPTED, *ANY_REFUSAL),
            stop=3.0,
        )
    for more in (
        ("--seed", "3"),
        ("--lr", "0.5"),
        ("--threads", "2"),
        ("--labels", "Edema"),
        ("--arch", "resnet18"),
        ("--replicate", "1"),
        ("--batch-size", "4"),
    ):
        yield _altered(
            bases, "half", f"with {' '.join(more)}", None, None, [*again, "--resume", *more], ANY_REFUSAL, stop=3.0
        )
    yield _altered(
        bases,
        "half",
        "of other films",
        None,
        None,
        [*again, "--resume", "--dataset", bases / "other"],
        ANY_REFUSAL,
        stop=3.0,
    )
    done = sorted(path for path in (bases / "model").iterdir() if path.is_file())
    short = ("train", "--dataset", bases / "data", *TRAIN, "--out", "out")
    for file in done:
        for name, make in _ways(file.read_bytes(), rng).items():
            for more in (("--resume",), ("--force",), ()):
                codes = (DONE, DATA, OUTPUT, MISSING, USAGE)
                yield _altered(
                    bases,
                    "model",
                    f"complete, {file.name} {name} {' '.join(more)}",
                    file.name,
                    make,
                    [*short, *more],
                    codes,
                    out="",
                )


def _altered(
    bases: Path,
    source: str,
    name: str,
    file: str | None,
    make: Callable[[Path], object] | None,
    arguments: Sequence[object],
    codes: Sequence[int],
    *,
    out: str = "out",
    stop: float = 0.0,
) -> Case:
    def prepare(home: Path) -> list[object]:
        folder = copy(bases / source, home / "out")
        if file and make:
            _replace(folder / file, make)
        return list(arguments)

    return Case(FAMILY, f"{source}: {name}", prepare, codes, out=out, signal=(stop, signal.SIGTERM) if stop else None)


def _shards(bases: Path, rng: Random) -> Iterator[Case]:
    build = [
        "build-dataset",
        "--dataset",
        "folder",
        "--root",
        bases / "films",
        "--size",
        "16",
        "--replicates",
        "1",
        "--jobs",
        "1",
        "--out",
        "out",
    ]
    files = sorted(path.relative_to(bases / "shards") for path in (bases / "shards").rglob("*") if path.is_file())
    for file in files:
        for name, make in _ways((bases / "shards" / file).read_bytes(), rng).items():
            for more in (("--shard", "2/2"), ("--shard", "1/2", "--resume"), ("--merge",), ("--resume",), ()):
                yield _altered(
                    bases,
                    "shards",
                    f"{file} {name} {' '.join(more)}",
                    str(file),
                    make,
                    [*build, *more],
                    (DONE, *ANY_REFUSAL),
                    out="",
                )
    for more in (
        ("--merge",),
        ("--shard", "1/3"),
        ("--shard", "2/2", "--size", "8"),
        ("--resume",),
        ("--shard", "1/2", "--force"),
    ):
        yield _altered(bases, "shards", " ".join(more), None, None, [*build, *more], (DONE, *ANY_REFUSAL), out="")


def _results(bases: Path) -> Iterator[Case]:
    evaluate = [
        "evaluate",
        bases / "model",
        "--dataset",
        bases / "other",
        "--split",
        "all",
        *CPU,
        "--out",
        "out",
        "--json",
    ]
    names = sorted(path.name for path in (bases / "results").iterdir() if path.is_file())
    rng = Random(0)
    for name in names:
        for what, make in _ways((bases / "results" / name).read_bytes(), rng).items():
            for more in ((), ("--force",)):
                yield _altered(
                    bases,
                    "results",
                    f"{name} {what} {' '.join(more)}",
                    name,
                    make,
                    [*evaluate, *more],
                    (DONE, OUTPUT),
                    out="",
                )
    bad = [
        "evaluate",
        bases / "model",
        "--dataset",
        bases / "data",
        "--split",
        "train",
        *CPU,
        "--out",
        "out",
        "--force",
    ]
    yield _kept(bases, "results are kept where the next evaluation fails", bad)
    yield _kept(
        bases,
        "results are kept where the model is missing",
        ["evaluate", "nowhere", "--dataset", bases / "other", *CPU, "--out", "out", "--force"],
    )


def _kept(bases: Path, name: str, arguments: Sequence[object]) -> Case:
    """Return a case whose failure must leave results as they were, although --force is given."""

    def prepare(home: Path) -> list[object]:
        copy(bases / "results", home / "out")
        return list(arguments)

    return Case(FAMILY, name, prepare, ANY_REFUSAL, out="")


def _streams(bases: Path) -> Iterator[Case]:
    small = ("--images", "6", "--size", "16", "--replicates", "1", "--jobs", "1", "--out", "out")
    commands = {
        "build": ["build-dataset", "--dataset", "phantom-I", *small],
        "train": ["train", "--dataset", bases / "data", *TRAIN, "--out", "out"],
        "evaluate": ["evaluate", bases / "model", "--dataset", bases / "other", "--split", "all", *CPU, "--out", "out"],
        "paths": ["paths"],
        "doctor": ["doctor"],
        "help": ["train", "--help"],
        "version": ["--version"],
        "list": ["train", "--arch", "help"],
        "wrong": ["train", "--dataset", "nowhere", "--arch", "small-cnn"],
    }
    for name, command in commands.items():
        out = "out" if name in ("build", "train", "evaluate") else ""
        usual = (MISSING,) if name == "wrong" else (DONE,)
        for json_too in ((), ("--json",)):
            given = [*command, *json_too] if name != "version" else command
            for number in (1, 2):
                full = (OUTPUT,) if number == 1 and name != "wrong" else usual
                if name in ("help", "version"):
                    full = (*full, FAILED)
                told = f"{name} {' '.join(json_too)}"
                yield Case(
                    FAMILY,
                    f"{told} with a full {number}",
                    lambda home, given=given: given,
                    (*full, *usual),
                    out="",
                    redirected={number: "/dev/full"},
                    silent=True,
                )
                yield Case(
                    FAMILY,
                    f"{told} with {number} closed",
                    lambda home, given=given: given,
                    (*full, *usual, OUTPUT),
                    out="",
                    closed=(number,),
                    silent=True,
                )
            yield Case(
                FAMILY,
                f"{name} with all closed {json_too}",
                lambda home, given=given: given,
                (*usual, OUTPUT),
                out="",
                closed=(0, 1, 2),
                silent=True,
            )
        for memory in (2**20, 2**24, 2**26):
            yield Case(
                FAMILY,
                f"{name} with {memory // 2**20} MiB",
                lambda home, command=command: command,
                (*usual, FAILED, OUTPUT),
                out=out,
                memory=memory,
            )
        for variable, value in {
            "HOME": "/nowhere",
            "TMPDIR": "/nowhere",
            "XDG_CACHE_HOME": "/dev/null",
            "CXRSHORT_CACHE": "/dev/null",
            "COLUMNS": "1",
            "LC_ALL": "C",
            "RANK": "x",
            "WORLD_SIZE": "-1",
            "OMP_NUM_THREADS": "x",
            "CXRSHORT_DATA": "\x1b[31m",
            "NO_COLOR": "",
            "TERM": "\x1b",
        }.items():
            yield Case(
                FAMILY,
                f"{name} with {variable}={value!r}",
                lambda home, command=command: command,
                (*usual, USAGE, DATA, MISSING, OUTPUT),
                out=out,
                environment={variable: value},
            )


def _signals(bases: Path) -> Iterator[Case]:
    train = ["train", "--dataset", bases / "data", *TRAIN, "--out", "out", "--epochs", "4000", "--json"]
    build = [
        "build-dataset",
        "--dataset",
        "phantom-I",
        "--images",
        "20000",
        "--size",
        "64",
        "--jobs",
        "1",
        "--out",
        "out",
        "--json",
    ]
    for after in (0.02, 0.1, 0.3, 0.6, 1.0):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            yield Case(
                FAMILY,
                f"train, {number.name} after {after}",
                lambda home: train,
                (RESUMABLE, INTERRUPTED, -number),
                signal=(after, number),
                silent=after < 0.2,
            )
            yield Case(
                FAMILY,
                f"build, {number.name} after {after}",
                lambda home: build,
                (RESUMABLE, INTERRUPTED, -number),
                signal=(after, number),
                silent=after < 0.2,
            )
