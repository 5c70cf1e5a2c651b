"""The sound inputs that hostile ones are made from: two datasets, a model, films, and interrupted work."""

import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .case import Case, Outcome

CPU = ("--device", "cpu", "--threads", "1")
TRAIN = ("--arch", "small-cnn", "--epochs", "2", "--batch-size", "8", "--labels", "COVID-19", *CPU)
SEED = 0
"""Of a draw whose validation and test folds hold both classes."""
Execute = Callable[[Case, Sequence[str], Path], Outcome]


def make(folder: Path, execute: Execute) -> None:
    """Make all sound inputs below a folder.

    ``data`` and ``other`` are datasets of different persons, ``model`` a run, ``results`` an evaluation of it,
    ``films`` pictures with a table, ``half`` an interrupted training, ``shards`` a build of which a part is missing.
    """
    folder.mkdir(parents=True)

    def run(*arguments: object, codes: Sequence[int] = (0,), signal_after: float = 0.0) -> None:
        case = Case("base", lambda home: (), signal=(signal_after, signal.SIGTERM) if signal_after else None)
        outcome = execute(case, [str(argument) for argument in arguments], folder)
        if outcome.code not in codes:
            sys.stderr.write(outcome.stderr.decode())
            raise SystemExit(f"the sound inputs cannot be made: {' '.join(map(str, arguments))}")

    small = ("--images", "20", "--size", "32", "--replicates", "2", "--jobs", "1")
    run("build-dataset", "--dataset", "phantom-I", "--out", "data", "--seed", SEED, *small)
    run("build-dataset", "--dataset", "phantom-external", "--seed", "4", "--out", "other", *small)
    run("train", "--dataset", "data", *TRAIN, "--out", "model")
    run("evaluate", "model", "--dataset", "other", "--split", "all", *CPU, "--out", "results")
    half = ("train", "--dataset", "data", *TRAIN, "--out", "half", "--epochs", "4000")
    run(*half, codes=(75,), signal_after=3.0)
    films(folder / "films")
    build = ("build-dataset", "--dataset", "folder", "--root", "films", "--size", "16", "--replicates", "1")
    run(*build, "--jobs", "1", "--out", "shards", "--shard", "1/2")
    for name in ("stdout", "stderr"):
        (folder / name).unlink()


def films(folder: Path, *, count: int = 6) -> None:
    """Write pictures of noise and a table of them."""
    folder.mkdir()
    rng = np.random.default_rng(7)
    lines = ["path,patient_id,sex,age_years,view,study_date,COVID-19"]
    for number in range(count):
        pixels = rng.integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"film{number}.png")
        lines.append(
            f"film{number}.png,P{number},{'MF'[number % 2]},{30 + number},PA,2021-03-0{number + 1},{number % 2}"
        )
    (folder / "films.csv").write_text("\n".join(lines) + "\n")


def copy(source: Path, target: Path) -> Path:
    """Copy a folder of the sound inputs."""
    shutil.copytree(source, target)
    return target
