"""The bytes of a dataset depend neither on the number of workers nor on how often the build was interrupted."""

import contextlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import CxrshortError, DataError, MissingInputError, OutputError, ResumableError, UsageError
from cxrshort.verbs.build_dataset import build_dataset

from ..cli.console import run, start
from ..datasets.lookalikes import dicom
from ..training.tiny import tree

PHANTOM = ["build-dataset", "--dataset", "phantom-I", "--images", "300", "--size", "64"]
BYTES = (
    "images.npy",
    "masks.npy",
    "regions.csv",
    "manifest.csv",
    "excluded.csv",
    "phantoms.jsonl",
    "characteristics.csv",
    "confounding.csv",
)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what a build wrote, but for its own name, which stands in the manifest."""
    home = str(folder.resolve()).encode()
    return {name: data.replace(home, b"HERE") for name, data in tree(folder, without=["run.json"]).items()}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "out"
    build_dataset("phantom-I", out=folder, number_of_images=300, size=64, jobs=1)
    return folder


def test_build_writes_these_files_and_nothing_else(unbroken: Path) -> None:
    assert set(tree(unbroken)) == {*BYTES, "run.json"}


def test_number_of_workers_does_not_change_a_byte(unbroken: Path, tmp_path: Path) -> None:
    build_dataset("phantom-I", out=tmp_path / "out", number_of_images=300, size=64, jobs=2)
    assert contents(tmp_path / "out") == contents(unbroken)


def test_number_of_workers_does_not_change_a_byte_of_real_radiographs(test_data: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        build_dataset("github-covid", root=test_data, out=tmp_path / str(jobs), size=16, jobs=jobs)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_build_resumes_to_the_same_bytes(unbroken: Path, tmp_path: Path, jobs: int) -> None:
    command = [*PHANTOM, "--jobs", jobs, "--out", "out"]
    for lines in (2, 4):  # the journal's header and a chunk of rows; two chunks more
        kill_when_journal_has(lines, [*command, "--resume"], tmp_path / "out" / ".journal.jsonl")
        assert not (tmp_path / "out" / "run.json").exists()
    completed = run(*command, "--resume", cwd=tmp_path)
    assert completed.returncode == 0, completed.stderr
    assert contents(tmp_path / "out") == contents(unbroken)


def kill_when_journal_has(lines: int, command: list[object], journal: Path, *, cwd: Path | None = None) -> None:
    """Kill a build once its journal is so long; its workers, which outlive it for a while, are killed after it."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    with start(*command, cwd=cwd or journal.parent.parent, **silent) as process:
        wait_for_journal(lines, process, journal)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_for_journal(lines: int, process: Any, journal: Path) -> None:
    """Wait until the journal is so long; the process leaves most of a core to itself meanwhile."""
    while not (journal.exists() and journal.read_text().count("\n") >= lines):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.002)
        assert process.poll() is None


def test_interrupted_build_says_how_to_go_on(unbroken: Path, tmp_path: Path) -> None:
    command = [*PHANTOM, "--jobs", 1, "--out", "out"]
    journal = tmp_path / "out" / ".journal.jsonl"
    with start(*command, cwd=tmp_path) as process:
        wait_for_journal(2, process, journal)
        process.send_signal(signal.SIGINT)
        printed, complaints = process.communicate()
    assert (process.returncode, printed) == (75, "")
    assert re.fullmatch(
        r"error: interrupted, \d+ of 300 images are made\nhint: --resume continues from there\n", complaints
    )
    build_dataset("phantom-I", out=tmp_path / "out", number_of_images=300, size=64, jobs=1, resume=True)
    assert contents(tmp_path / "out") == contents(unbroken)


def test_resuming_with_other_settings_is_refused(unbroken: Path, tmp_path: Path) -> None:
    kill_when_journal_has(2, [*PHANTOM, "--jobs", 1, "--out", "out"], tmp_path / "out" / ".journal.jsonl")
    with pytest.raises(UsageError) as caught:
        build_dataset("phantom-I", out=tmp_path / "out", number_of_images=300, size=64, seed=9, resume=True)
    assert caught.value.message == f"'{tmp_path / 'out'}' was begun from other images or settings"
    assert caught.value.hint == "--force starts over"
    with pytest.raises(OutputError) as refused:
        build_dataset("phantom-I", out=tmp_path / "out", number_of_images=300, size=64)
    assert refused.value.message == f"'{tmp_path / 'out'}' holds an unfinished run"
    build_dataset("phantom-I", out=tmp_path / "out", number_of_images=300, size=64, force=True)
    assert contents(tmp_path / "out") == contents(unbroken)


def fails(dataset: str, **options: object) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        build_dataset(dataset, **options)  # type: ignore[arg-type]
    return caught.value


def test_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    error = fails("phantom-I", out=out, size=4)
    assert isinstance(error, UsageError)
    assert (error.message, error.hint) == ("--size is '4', it must be from 8 to 4096", "the papers use 224")
    error = fails("phantom-I", out=out, size=16)
    assert isinstance(error, UsageError)
    assert (error.message, error.hint) == ("--size is '16', for phantoms it must be from 32 to 2048", "try 224")
    error = fails("phantom-I", out=out, replicates=0)
    assert error.message == "--replicates is '0', it must be from 1 to 1000"
    error = fails("I", out=out, number_of_images=5)
    assert isinstance(error, UsageError)
    assert error.message == "--images is for phantom datasets"
    assert error.hint == "'I' is made of repositories"
    assert not out.exists()


def test_missing_root_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    error = fails("I", root=tmp_path / "no", out=tmp_path / "out")
    assert isinstance(error, MissingInputError)
    assert not (tmp_path / "out").exists()


def test_dry_run_forecasts_and_writes_nothing(tmp_path: Path) -> None:
    plan = build_dataset("phantom-I", out=tmp_path / "out", number_of_images=40, size=64, jobs=2, dry_run=True).summary
    measured = {
        name: plan.pop(name)
        for name in ("images_per_second", "minutes", "disk_free_mib", "memory_mib", "outputs", "planted")
    }
    assert measured["planted"]["share"] == 1.0
    assert plan == {
        "dry_run": True,
        "dataset": "phantom-I",
        "candidates": 40,
        "images_to_make": 40,
        "excluded": {},
        "missing_files": 0,
        "reads": [],
        "rows": 40,
        "size": 64,
        "jobs": 2,
        "disk_mib": 0.3,  # pixels and masks
        "notes": [],
    }
    assert measured["images_per_second"] > 0
    assert measured["minutes"] == pytest.approx(40 / measured["images_per_second"] / 60, abs=0.01)
    assert measured["disk_free_mib"] > 0 and measured["memory_mib"] > 0
    assert measured["outputs"] == [{"folder": str(tmp_path / "out"), "fate": "new", "reason": "", "hint": ""}]
    assert not (tmp_path / "out").exists()


def test_headers_are_kept_in_the_cache_folder_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setenv("CXRSHORT_CACHE", str(tmp_path / "caches"))
    films, built = tmp_path / "films", tmp_path / "built"
    dicom(films / "a.dcm", ViewPosition="PA", PatientID="P1")
    options = {"root": films, "metadata_only": True, "replicates": 1}
    build_dataset("folder", out=built / "none", header_cache=False, **options)
    assert not (tmp_path / "caches").exists()
    build_dataset("folder", out=built / "one", **options)
    (cache,) = (tmp_path / "caches" / "headers").iterdir()
    assert cache.name.startswith("folder-") and "P1" in cache.read_text()
    assert {path.name for path in built.iterdir()} == {"none", "one"}
    arguments = json.loads((built / "one" / "run.json").read_text())["arguments"]
    assert arguments["options"]["header_cache"] is None


def films(folder: Path, levels: range) -> Path:
    """Write small radiographs of known brightness, a patient each."""
    folder.mkdir(exist_ok=True)
    for level in levels:
        Image.fromarray(np.tile(np.uint8([level, level + 40]), (40, 20))).save(folder / f"{level}.png")
    return folder


def interrupted(folder: Path, out: Path) -> None:
    """Begin to build a folder of films, and stop after the first rows."""

    def stop(event: dict[str, object]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(ResumableError):
        build_dataset("folder", root=folder, out=out, size=16, jobs=1, report=stop)


@pytest.mark.parametrize("damage", ["changed film", "lost pixels", "nothing"])
def test_resume_makes_again_what_changed_meanwhile(tmp_path: Path, damage: str) -> None:
    folder, out = films(tmp_path / "films", range(40)), tmp_path / "out"
    interrupted(folder, out)
    if damage == "changed film":
        Image.fromarray(np.tile(np.uint8([200, 90]), (40, 20))).save(folder / "0.png")
    if damage == "lost pixels":
        images = np.lib.format.open_memmap(out / ".partial.images.npy", mode="r+")
        images[:7] = 0
        images.flush()
    build_dataset("folder", root=folder, out=out, size=16, jobs=1, resume=True)
    build_dataset("folder", root=folder, out=tmp_path / "unbroken", size=16, jobs=1)
    assert contents(out) == contents(tmp_path / "unbroken")
    assert np.load(out / "images.npy").reshape(40, -1).any(axis=1).all()


def test_resume_refuses_a_cache_that_is_cut_short(tmp_path: Path) -> None:
    folder, out = films(tmp_path / "films", range(40)), tmp_path / "out"
    interrupted(folder, out)
    partial = out / ".partial.images.npy"
    os.truncate(partial, partial.stat().st_size - 5000)
    with pytest.raises(DataError) as caught:
        build_dataset("folder", root=folder, out=out, size=16, jobs=1, resume=True)
    assert caught.value.message == f"'{partial}' is not a whole .npy array"
