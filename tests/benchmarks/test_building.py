"""Rates of build-dataset, as ratios measured in one run: ``pytest --benchmark-only tests/benchmarks/test_building.py``.

The whole verb is timed, metadata, duplicates, splits and tables included. The originals (1024 px PNG of ChestX-ray14)
are copied until there are 960 files, all copies of one film under one patient. Each benchmark prints its ratio and
keeps it in ``extra_info``.
"""

import gzip
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.verbs.build_dataset import build_dataset

from .turns import in_turns

FILES, SIZE = 960, 224
PHANTOMS, PHANTOM_SIZE = 900, 128
TABLE = "Data_Entry_2017.csv"


@pytest.fixture(scope="module")
def repository(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a root with a ChestX-ray14 whose films are copies of the originals."""
    originals = sorted((test_data / "nih" / "images_full").glob("*.png"))
    if not originals:
        pytest.skip("no originals among the real radiographs")
    root = tmp_path_factory.mktemp("root")
    folder = root / "ChestX-ray14"
    (folder / "images").mkdir(parents=True)
    listed = pd.read_csv(test_data / "nih" / TABLE)
    rows = listed.iloc[np.arange(FILES) % len(listed)].copy()
    rows["Image Index"] = [f"{number:08d}_000.png" for number in range(FILES)]
    rows["Patient ID"] = np.arange(FILES) % len(originals)
    rows.to_csv(folder / TABLE, index=False)
    for number, name in enumerate(rows["Image Index"]):
        shutil.copyfile(originals[number % len(originals)], folder / "images" / name)
    yield root
    shutil.rmtree(root)


def built(root: Path, out: Path, *, jobs: int) -> float:
    """Return the seconds of the verb."""
    start = time.perf_counter()
    build_dataset("chestx-ray14", root=root, out=out, size=SIZE, replicates=1, jobs=jobs, force=True)
    return time.perf_counter() - start


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def tell(benchmark, capsys, title: str, ratio: float, extra: str = "") -> None:
    benchmark.extra_info[title] = round(ratio, 2)
    with capsys.disabled():
        sys.stdout.write(f"\n{title}: {ratio:.2f}{extra}\n")


def test_two_jobs_against_one(benchmark, capsys, repository, tmp_path):
    two, one = in_turns(lambda: built(repository, tmp_path, jobs=2), lambda: built(repository, tmp_path, jobs=1))
    benchmark.pedantic(lambda: built(repository, tmp_path, jobs=2), rounds=1)
    tell(benchmark, capsys, "build-dataset, two jobs / one job", one / two, f"; {FILES / two:.0f} images/s")


def test_two_jobs_against_a_plain_loop(benchmark, capsys, repository, tmp_path):
    """The loop decodes as most papers' loaders do, and does nothing else."""
    paths = sorted((repository / "ChestX-ray14" / "images").iterdir())

    def plain() -> None:
        for path in paths:
            np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    two, loop = in_turns(lambda: built(repository, tmp_path, jobs=2), lambda: timed(plain))
    benchmark.pedantic(lambda: built(repository, tmp_path, jobs=2), rounds=1)
    tell(benchmark, capsys, "build-dataset, two jobs / plain Pillow loop", loop / two)


def test_one_job_against_torchxrayvision(benchmark, capsys, repository, tmp_path):
    """Its NIH loader with its centre crop and resize, in one process, against the whole verb with one job."""
    theirs = pytest.importorskip("torchxrayvision.datasets", reason="torchxrayvision is not installed (extra txrv)")
    folder = repository / "ChestX-ray14"
    films = theirs.NIH_Dataset(
        imgpath=str(folder / "images"),
        csvpath=str(folder / TABLE),
        views=["PA", "AP"],
        transform=lambda image: theirs.XRayResizer(SIZE)(theirs.XRayCenterCrop()(image)),
        unique_patients=False,
    )
    assert len(films) == FILES
    quarter = range(0, FILES, 4)

    def loaded() -> None:
        for number in quarter:
            assert films[number]["img"].shape == (1, SIZE, SIZE)

    one, loader = in_turns(lambda: built(repository, tmp_path, jobs=1), lambda: timed(loaded))
    benchmark.pedantic(lambda: built(repository, tmp_path, jobs=1), rounds=1)
    tell(benchmark, capsys, "build-dataset, one job / torchxrayvision", 4 * loader / one)


def test_phantoms_against_drawing_alone(benchmark, capsys, tmp_path):
    """Two jobs, written to disk, against ``draw`` in a plain loop of one process."""

    def verb() -> float:
        start = time.perf_counter()
        build_dataset(
            "phantom-I",
            out=tmp_path / "data",
            size=PHANTOM_SIZE,
            number_of_images=PHANTOMS,
            replicates=1,
            jobs=2,
            force=True,
        )
        return time.perf_counter() - start

    third = sample_phantoms("phantom-I", images=PHANTOMS // 3, confounding=None, seed=0)

    def alone() -> None:
        for phantom in third:
            draw_phantom(phantom, size=PHANTOM_SIZE)

    both, drawing = in_turns(verb, lambda: timed(alone))
    benchmark.pedantic(verb, rounds=1)
    tell(
        benchmark, capsys, "phantoms, two jobs / drawing alone", 3 * drawing / both, f"; {PHANTOMS / both:.0f} images/s"
    )


def test_the_complete_label_file_against_reading_it(benchmark, capsys, test_data, tmp_path):
    """112,120 rows: read, checked, split five times, described and written, against pandas reading the file."""
    folder = tmp_path / "ChestX-ray14"
    folder.mkdir()
    table = folder / "Data_Entry_2017_v2020.csv"
    table.write_bytes(gzip.decompress((test_data / "nih" / f"{table.name}.gz").read_bytes()))
    for packed in (test_data / "nih" / "official_lists").glob("*.gz"):
        (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))

    def verb() -> None:
        actual = build_dataset(
            "chestx-ray14", root=tmp_path, out=tmp_path / "out", metadata_only=True, force=True
        ).summary
        assert actual["rows"] + sum(actual["excluded"].values()) == 112_120

    ours, reading = in_turns(lambda: timed(verb), lambda: timed(lambda: pd.read_csv(table, dtype=str)))
    benchmark.pedantic(verb, rounds=1)
    tell(benchmark, capsys, "complete label file, metadata only / pandas.read_csv", ours / reading, f"; {ours:.1f} s")
