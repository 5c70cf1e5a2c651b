"""Shards and clusters give the bytes of one run, whoever does the work and whenever."""

import os
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort import locks
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import CxrshortError, DataError, MissingInputError, OutputError, UsageError
from cxrshort.verbs.build_dataset import build_dataset

from ..cli.console import cxrshort_here, environment, run, start
from ..datasets.benchmarks.copies import make_mnist
from .test_build_dataset import contents, kill_when_journal_has

PHANTOM = ["build-dataset", "--dataset", "phantom-I", "--images", 150, "--size", 32, "--jobs", 1, "--out", "out"]
ANY_VIEW = ReadOptions(views=("PA", "AP", "UNKNOWN"))


def build_phantom(out: Path, **options: object) -> dict[str, object]:
    return build_dataset("phantom-I", out=out, number_of_images=150, size=32, jobs=1, **options).summary  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "out"
    build_phantom(folder)
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 45 noise films, two of which are none."""
    folder = tmp_path_factory.mktemp("films")
    draw = np.random.default_rng(3)
    for number in range(43):
        pixels = draw.integers(0, 256, (40 + number, 50), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"P{number:02d}.png")
    (folder / "P07b.png").write_bytes(b"")
    (folder / "P20b.png").write_bytes((folder / "P20.png").read_bytes()[:300])
    return folder


def test_shards_made_at_the_same_time_merge_to_the_bytes_of_one_run(whole: Path, tmp_path: Path) -> None:
    together = [start(*PHANTOM, "--shard", f"{number}/3", cwd=tmp_path) for number in (1, 2, 3)]
    for number, process in enumerate(together, 1):
        printed, complaints = process.communicate(timeout=120)
        assert (process.returncode, complaints) == (0, "")
        assert printed == f"shard {number}/3: 50 images\nwritten to out/.shards/{number}-of-3\n"
    merged = run(*PHANTOM, "--merge", cwd=tmp_path)
    assert merged.returncode == 0, merged.stderr
    assert contents(tmp_path / "out") == contents(whole)
    assert not (tmp_path / "out" / ".shards").exists()


def test_more_shards_than_images_merge_to_the_bytes_of_one_run(tmp_path: Path) -> None:
    options = {"number_of_images": 30, "size": 32, "jobs": 1, "replicates": 1}
    build_dataset("phantom-II", out=tmp_path / "whole", **options)
    for number in range(1, 32):
        build_dataset("phantom-II", out=tmp_path / "out", shard=f"{number}/31", **options)
    build_dataset("phantom-II", out=tmp_path / "out", merge=True, **options)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_shards_of_files_keep_refused_ones_and_sizes(films: Path, tmp_path: Path) -> None:
    options = {"root": films, "size": 16, "options": ANY_VIEW, "jobs": 1}
    summary = build_dataset("folder", out=tmp_path / "whole", **options).summary
    assert sum(summary["excluded"].values()) == 2
    made = [build_dataset("folder", out=tmp_path / "out", shard=f"{number}/2", **options).summary for number in (2, 1)]
    assert sum(outcome["images"] for outcome in made) == 43
    assert sum(sum(outcome["refused"].values()) for outcome in made) == 2
    assert build_dataset("folder", out=tmp_path / "out", merge=True, **options).summary["rows"] == 43
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_shards_of_a_benchmark_merge_to_the_bytes_of_one_run(tmp_path: Path) -> None:
    make_mnist(tmp_path / "copies")
    options = {"root": tmp_path / "copies", "jobs": 1}
    build_dataset("coloured-mnist", out=tmp_path / "whole", **options)
    for number in (1, 2):
        build_dataset("coloured-mnist", out=tmp_path / "out", shard=f"{number}/2", **options)
    build_dataset("coloured-mnist", out=tmp_path / "out", merge=True, **options)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_killed_shard_goes_on_when_it_is_repeated(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = [*PHANTOM, "--shard", "1/2"]
    kill_when_journal_has(2, first, out / ".shards" / "1-of-2" / ".journal.jsonl", cwd=tmp_path)
    error = fails(out, merge=True)
    assert isinstance(error, MissingInputError)
    assert error.message == f"2 of the 2 shards of '{out}' are not complete: 1/2 (32 of 75 images), 2/2 (not begun)"
    assert error.hint == "run the same command with --shard 1/2 instead of --merge"
    assert build_phantom(out, shard="1/2", resume=True)["images"] == 75
    assert build_phantom(out, shard="2/2") == build_phantom(out, shard="2/2")
    build_phantom(out, merge=True)
    assert contents(out) == contents(whole)


def fails(out: Path, **options: object) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        build_phantom(out, **options)
    return caught.value


def test_shards_stand_in_the_way_of_another_build(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_phantom(out, shard="1/2")
    for resume in (False, True):
        error = fails(out, resume=resume)
        assert isinstance(error, OutputError)
        assert error.message == f"'{out}' holds shards"
        assert error.hint == "--merge builds the dataset from them, --force starts over"
    build_phantom(out, force=True)
    assert contents(out) == contents(whole)
    assert not (out / ".shards").exists()


def test_shard_of_other_settings_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_phantom(out, shard="1/1")
    for options in ({"shard": "1/1"}, {"merge": True}):
        error = fails(out, seed=9, **options)
        assert isinstance(error, UsageError)
        assert error.message == f"'{out / '.shards' / '1-of-1'}' was begun from other images or settings"
    build_phantom(out, shard="1/1", seed=9, force=True)
    assert build_phantom(out, merge=True, seed=9)["rows"] == 150


def test_finished_dataset_stays_until_forced_shards_are_merged(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_phantom(out, seed=1)
    before = contents(out)
    for options in ({"shard": "1/1"}, {"merge": True}):
        assert fails(out, **options).message == f"'{out}' exists already"
    build_phantom(out, shard="1/1", force=True)
    assert contents(out) == before
    build_phantom(out, merge=True, force=True)
    assert contents(out) != before
    assert not (out / ".shards").exists()


def test_unfinished_run_of_one_process_is_not_mixed_with_shards(tmp_path: Path) -> None:
    out = tmp_path / "out"
    kill_when_journal_has(2, PHANTOM, out / ".journal.jsonl")
    assert fails(out, shard="1/2").message == f"'{out}' holds an unfinished run"


def test_build_and_shard_have_one_writer(tmp_path: Path) -> None:
    out, shard = tmp_path / "out", tmp_path / "parts" / ".shards" / "1-of-2"
    build_phantom(tmp_path / "parts", shard="1/2")
    for folder, build in ((out, {}), (out, {"resume": True}), (shard, {"shard": "1/2"})):
        folder.mkdir(parents=True, exist_ok=True)
        with locks.only_writer(folder):
            error = fails(tmp_path / "parts" if folder == shard else out, **build)
            assert error.message.startswith(f"'{folder}' is being written by process ")
    for number in (1, 2):
        build_phantom(out, shard=f"{number}/2", force=True)
    with locks.only_writer(out / ".shards" / "2-of-2"):
        assert " is being written by process " in fails(out, merge=True).message
    build_phantom(out, merge=True)
    assert (out / "run.json").exists() and not (out / ".lock").exists()


def test_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    assert (
        fails(tmp_path, shard="1/2").message
        == f"'{tmp_path}' holds files that are not a run of cxrshort, such as 'letter.txt'"
    )


def test_merge_without_shards_and_of_two_cuts_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    error = fails(out, merge=True)
    assert isinstance(error, MissingInputError)
    assert (error.message, error.hint) == (
        f"'{out}' holds no shards",
        "make them with --shard 1/N to --shard N/N",
    )
    assert not out.exists()
    for shard in ("1/3", "2/5"):
        build_phantom(out, shard=shard)
    error = fails(out, merge=True)
    assert isinstance(error, DataError)
    assert error.message == f"'{out}' is cut in several ways, into 3 and 5 shards"
    assert error.hint == f"remove one kind from '{out / '.shards'}'"


@pytest.mark.parametrize("shard", ["", "3", "0/2", "3/2", "a/b", "1/2/3", "-1/2", "1/0"])
def test_shard_that_is_none_is_refused(tmp_path: Path, shard: str) -> None:
    error = fails(tmp_path / "out", shard=shard)
    assert isinstance(error, UsageError)
    assert error.message == f"--shard is '{shard}', it must be I/N with I from 1 to N"
    assert error.hint == "such as --shard 1/4"


def test_options_that_exclude_each_other_are_refused(films: Path, tmp_path: Path) -> None:
    error = fails(tmp_path / "out", shard="1/2", merge=True)
    assert (error.message, error.hint) == ("--shard and --merge exclude each other", "give one of them")
    with pytest.raises(UsageError, match="^--metadata-only and --merge exclude each other$"):
        build_dataset("folder", root=films, out=tmp_path / "out", metadata_only=True, merge=True)
    assert fails(tmp_path / "out", scheduler="tcp://127.0.0.1:1").message == "--scheduler is for repositories"


def test_dry_run_of_a_shard_counts_its_images(tmp_path: Path) -> None:
    plan = build_phantom(tmp_path / "out", shard="2/4", dry_run=True)
    assert (plan["candidates"], plan["images_to_make"]) == (150, 38)


def test_shard_prints_what_was_refused(films: Path, tmp_path: Path) -> None:
    command = ["build-dataset", "--dataset", "folder", "--views", "PA,AP,UNKNOWN", "--size", 16, "--jobs", 1]
    result = cxrshort_here(*command, "--root", films, "--out", tmp_path / "out", "--shard", "1/1")
    where = tmp_path / "out" / ".shards" / "1-of-1"
    assert result.stdout == f"shard 1/1: 43 images, refused truncated 1, zero bytes 1\nwritten to {where}\n"


def test_cluster_without_its_package_says_what_to_install(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError) as caught:
        build_dataset("folder", root=films, out=tmp_path / "out", options=ANY_VIEW, scheduler="tcp://127.0.0.1:1")
    assert caught.value.message == "--scheduler needs the package 'distributed', which is not installed"
    assert caught.value.hint == "pip install 'cxrshort[dask]'"
    assert not (tmp_path / "out").exists()


def test_address_of_a_cluster_that_is_none_is_refused(films: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(MissingInputError) as caught:
            build_dataset("folder", root=films, out=tmp_path / "out", options=ANY_VIEW, scheduler=nobody)
    assert caught.value.message == f"no Dask scheduler answers at '{nobody}'"
    assert caught.value.hint == "start one with: dask scheduler --port PORT"
    for wrong in ("here", "tcp://:8786", "tcp://host", "tcp://host:99999", "http://host:8786"):
        with pytest.raises(UsageError) as refused:
            build_dataset("folder", root=films, out=tmp_path / "out", options=ANY_VIEW, scheduler=wrong)
        assert refused.value.message == f"--scheduler is '{wrong}', which is not an address"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_cluster_gives_the_bytes_of_one_machine(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    distributed = pytest.importorskip("distributed")
    options = {"root": films, "size": 16, "options": ANY_VIEW, "jobs": jobs}
    build_dataset("folder", out=tmp_path / "whole", **options)
    monkeypatch.setitem(os.environ, "PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.chdir(tmp_path)  # a relative --out means the same to workers, whose folders are others
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        build_dataset("folder", out=Path("out"), scheduler=cluster.scheduler_address, **options)
        ran = cluster.scheduler.transition_log
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert len({outcome[0] for outcome in ran}) >= 3  # 45 files are three tasks
