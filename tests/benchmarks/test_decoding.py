"""Decoding rates, as ratios measured in one run: ``pytest --benchmark-only tests/benchmarks/test_decoding.py``.

The originals (1024 px PNG of ChestX-ray14) are repeated to 240 files. Each benchmark prints its ratio and keeps it in
``extra_info``.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.images import create_cache, decode_into

FILES = 240
SIZE = 224


@pytest.fixture(scope="module")
def originals(test_data) -> list[Path]:
    found = sorted((test_data / "nih" / "images_full").glob("*.png"))
    return (found * FILES)[:FILES]


def ours(paths: list[Path], folder: Path, *, jobs: int) -> None:
    cache = folder / f"{jobs}.npy"
    create_cache(cache, (len(paths), SIZE, SIZE))
    results = decode_into(cache, paths, rows=range(len(paths)), size=SIZE, jobs=jobs)
    assert not any(result.reason for result in results)


def plain_loop(paths: list[Path]) -> None:
    """Decode as most papers' loaders do."""
    for path in paths:
        np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def seconds(work: Callable[[], object]) -> float:
    """Return the better of two runs, so that a neighbour on the machine does not decide."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(benchmark, capsys, ratio_of: str, other: float) -> None:
    ratio = other / benchmark.stats.stats.min
    benchmark.extra_info[ratio_of] = round(ratio, 2)
    with capsys.disabled():
        sys.stdout.write(f"\n{ratio_of}: {ratio:.2f}\n")


def test_two_jobs_against_one(benchmark, capsys, originals, tmp_path):
    one = seconds(lambda: ours(originals, tmp_path, jobs=1))
    benchmark.pedantic(lambda: ours(originals, tmp_path, jobs=2), rounds=3)
    compare(benchmark, capsys, "images/s, two jobs / one job", one)


def test_two_jobs_against_a_plain_loop(benchmark, capsys, originals, tmp_path):
    plain = seconds(lambda: plain_loop(originals))
    benchmark.pedantic(lambda: ours(originals, tmp_path, jobs=2), rounds=3)
    compare(benchmark, capsys, "images/s, two jobs / plain Pillow loop", plain)


def test_one_job_against_torchxrayvision(benchmark, capsys, originals, tmp_path):
    datasets = pytest.importorskip("torchxrayvision.datasets", reason="torchxrayvision is not installed (extra txrv)")
    crop, resize = datasets.XRayCenterCrop(), datasets.XRayResizer(SIZE)

    def theirs() -> None:  # the steps of its NIH_Dataset.__getitem__
        for path in originals[: FILES // 4]:
            resize(crop(datasets.normalize(datasets.imread(path), maxval=255, reshape=True)))

    rate = 4 * seconds(theirs)
    benchmark.pedantic(lambda: ours(originals, tmp_path, jobs=1), rounds=3)
    compare(benchmark, capsys, "images/s, one job / torchxrayvision", rate)
