"""Interrupted work that was altered before --resume, and results that are there already; signals and streams."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from .base import TRAIN, copy
from .case import ANY_REFUSAL, DATA, DONE, INTERRUPTED, MISSING, OUTPUT, RESUMABLE, USAGE, Case
from .values import altered

WRITTEN_ANEW = (DONE, *ANY_REFUSAL)


def cases(bases: Path, rng: Random) -> Iterator[Case]:
    """Yield the cases."""
    yield from _trainings(bases, rng)
    yield from _shards(bases, rng)


def ways(whole: bytes, rng: Random) -> dict[str, Callable[[Path], object]]:
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
        for name, make in ways(file.read_bytes(), rng).items():
            for more in (("--resume",), ("--force", "--json"), ()):
                yield altered_copy(
                    bases,
                    "half",
                    f"{file.name} {name}",
                    file.name,
                    make,
                    [*again, *more],
                    (DONE, RESUMABLE, INTERRUPTED, *ANY_REFUSAL),
                    stop=3.0,
                )
    yield from _records(bases, again)
    yield from _other_settings(bases, again)
    yield from _complete(bases, rng)


def _records(bases: Path, again: Sequence[object]) -> Iterator[Case]:
    record = json.loads((bases / "half" / "unfinished.json").read_text())
    for key in record:
        for name, changed in altered(record, (key,)):
            data = json.dumps(changed).encode()
            yield altered_copy(
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
        yield altered_copy(
            bases,
            "half",
            f"log.jsonl {name}",
            "log.jsonl",
            lambda path, data=data: path.write_bytes(data),
            [*again, "--resume"],
            (RESUMABLE, INTERRUPTED, *ANY_REFUSAL),
            stop=3.0,
        )


def _other_settings(bases: Path, again: Sequence[object]) -> Iterator[Case]:
    for more in (
        ("--seed", "3"),
        ("--lr", "0.5"),
        ("--threads", "2"),
        ("--labels", "Edema"),
        ("--arch", "resnet18"),
        ("--replicate", "1"),
        ("--batch-size", "4"),
    ):
        yield altered_copy(
            bases, "half", f"with {' '.join(more)}", None, None, [*again, "--resume", *more], ANY_REFUSAL, stop=3.0
        )
    yield altered_copy(
        bases,
        "half",
        "of other films",
        None,
        None,
        [*again, "--resume", "--dataset", bases / "other"],
        ANY_REFUSAL,
        stop=3.0,
    )


def _complete(bases: Path, rng: Random) -> Iterator[Case]:
    completed = sorted(path for path in (bases / "model").iterdir() if path.is_file())
    short = ("train", "--dataset", bases / "data", *TRAIN, "--out", "out")
    for file in completed:
        for name, make in ways(file.read_bytes(), rng).items():
            for more in (("--resume",), ("--force",), ()):
                codes = (DONE, DATA, OUTPUT, MISSING, USAGE)
                yield altered_copy(
                    bases,
                    "model",
                    f"complete, {file.name} {name} {' '.join(more)}",
                    file.name,
                    make,
                    [*short, *more],
                    codes,
                    out="",
                )


def altered_copy(
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

    return Case(f"{source}: {name}", prepare, codes, out=out, signal=(stop, signal.SIGTERM) if stop else None)


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
        for name, make in ways((bases / "shards" / file).read_bytes(), rng).items():
            for more in (("--shard", "2/2"), ("--shard", "1/2", "--resume"), ("--merge",), ("--resume",), ()):
                yield altered_copy(
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
        yield altered_copy(bases, "shards", " ".join(more), None, None, [*build, *more], (DONE, *ANY_REFUSAL), out="")
