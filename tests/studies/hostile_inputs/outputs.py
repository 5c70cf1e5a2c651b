"""Outputs: places that cannot be written, results that are there already, streams that nobody reads, and signals."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from .base import CPU, TRAIN, copy
from .case import ANY_REFUSAL, DATA, DONE, FAILED, INTERRUPTED, MISSING, OUTPUT, RESUMABLE, USAGE, Case
from .options import build, case, evaluate, train
from .resumes import altered_copy, ways


def cases(bases: Path, rng: Random) -> Iterator[Case]:
    """Yield the cases."""
    yield from _outputs(bases)
    yield from _results(bases, rng)
    yield from _streams(bases)
    yield from _signals(bases)


def _outputs(bases: Path) -> Iterator[Case]:
    verbs = {
        "train": lambda out: train(bases, "--out", out),
        "build": lambda out: build("--out", out),
        "evaluate": lambda out: evaluate(bases, "--out", out),
    }
    places = [
        "/dev/full",
        "/dev/full/x",
        "/dev/null",
        "/proc/1/x",
        "/sys/x",
        "x" * 300,
        "é" * 200,
        "a/" * 2500,
        "\x1b[31m",
        "",
        " ",
        ".",
        "..",
        "/",
        "~",
        "-",
        "file",
        "file/inner",
        "link",
        "loop",
        "pipe",
        "pipe/inner",
        "others",
        "a\nb",
    ]
    for verb, command in verbs.items():
        for out in places:
            for more in ((), ("--force",)):
                yield case(
                    f"{verb} out {out[:20]!r} {' '.join(more)}",
                    [*command(out), *more],
                    (DONE, *ANY_REFUSAL),
                    out="",
                    make=_obstacles,
                )
        for name in ("data", "model", "results"):
            for more in ((), ("--force",), ("--resume",)):
                if verb == "evaluate" and "--resume" in more:
                    continue
                yield _onto(bases, verb, command, name, more)


def _obstacles(home: Path) -> None:
    (home / "file").write_text("mine")
    (home / "link").symlink_to("nowhere/at/all")
    (home / "loop").symlink_to("loop")
    os.mkfifo(home / "pipe")
    (home / "others").mkdir()
    (home / "others" / "thesis.txt").write_text("mine")


def _onto(bases: Path, verb: str, command: Callable[[object], list[object]], name: str, more: Sequence[str]) -> Case:
    """Return a case that writes onto a run of the same or another verb; nothing of another verb's may be lost."""
    own = {"data": "build", "model": "train", "results": "evaluate"}[name] == verb
    codes = (DONE, OUTPUT, USAGE) if own and more else (OUTPUT, USAGE, DATA, MISSING)

    def prepare(home: Path) -> list[object]:
        # Under a name that the judge does not take for what --force may replace, unless it is the verb's own.
        target = home / ("out" if own else "precious")
        copy(bases / name, target)
        return [*command(target), *more]

    return Case(f"{verb} onto {name} {' '.join(more)}", prepare, codes, out="")


def _results(bases: Path, rng: Random) -> Iterator[Case]:
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
    for name in names:
        for what, make in ways((bases / "results" / name).read_bytes(), rng).items():
            for more in ((), ("--force",)):
                yield altered_copy(
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

    return Case(name, prepare, ANY_REFUSAL, out="", kept=True)


def _streams(bases: Path) -> Iterator[Case]:
    small = ("--images", "6", "--size", "32", "--replicates", "1", "--jobs", "1", "--out", "out")
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
            arguments = [*command, *json_too] if name != "version" else command
            for number in (1, 2):
                full = (OUTPUT,) if number == 1 and name != "wrong" else usual
                if name in ("help", "version"):
                    full = (*full, FAILED)
                told = f"{name} {' '.join(json_too)}"
                yield Case(
                    f"{told} with a full {number}",
                    lambda home, given=arguments: given,
                    (*full, *usual),
                    out="",
                    redirected={number: "/dev/full"},
                    silent=True,
                )
                yield Case(
                    f"{told} with {number} closed",
                    lambda home, given=arguments: given,
                    (*full, *usual, OUTPUT),
                    out="",
                    closed=(number,),
                    silent=True,
                )
            yield Case(
                f"{name} with all closed {json_too}",
                lambda home, given=arguments: given,
                (*usual, OUTPUT),
                out="",
                closed=(0, 1, 2),
                silent=True,
            )
        for memory in (2**26, 2**27, 2**28):
            yield Case(
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
                f"train, {number.name} after {after}",
                lambda home: train,
                (RESUMABLE, INTERRUPTED, -number),
                signal=(after, number),
                silent=after < 0.2,
            )
            yield Case(
                f"build, {number.name} after {after}",
                lambda home: build,
                (RESUMABLE, INTERRUPTED, -number),
                signal=(after, number),
                silent=after < 0.2,
            )
