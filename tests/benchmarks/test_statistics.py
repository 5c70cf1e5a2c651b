"""Statistics against what users would write instead, as ratios in one run:
``pytest --benchmark-only tests/benchmarks/test_statistics.py``.

DeLong's variance of 100,000 images against the definition, every positive against every negative in blocks; 1,000
resampled AUCs against a loop over scikit-learn, timed on the first resamples and scaled; the start of every command
against an interpreter that imports the same modules; and all of ``stats auc`` on 15 labels of 100,000 images.
"""

import functools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cxrshort.cli.stats import QUESTIONS
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.bootstrap import bootstrap_aucs
from cxrshort.stats.midranks import Sample

from .turns import in_turns

COMMANDS = [name for commands in QUESTIONS.values() for name in commands]


def sample(images: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.random(images) < 0.1
    return targets, targets + rng.normal(size=images)


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def print_ratio(capsys, benchmark, name: str, ratio: float) -> None:
    benchmark.extra_info[name] = round(ratio, 2)
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {ratio:.2f}\n")


def delong_by_definition(targets: np.ndarray, scores: np.ndarray, block: int = 500) -> float:
    """Return DeLong's standard error from all pairs, as many positives at a time as fit into memory."""
    positive, negative = scores[targets], scores[~targets]
    of_positives, of_negatives = np.empty(len(positive)), np.zeros(len(negative))
    for start in range(0, len(positive), block):
        part = positive[start : start + block, None]
        wins = (part > negative) + 0.5 * (part == negative)
        of_positives[start : start + block] = wins.mean(axis=1)
        of_negatives += wins.sum(axis=0)
    of_negatives /= len(positive)
    return float(np.sqrt(of_positives.var(ddof=1) / len(positive) + of_negatives.var(ddof=1) / len(negative)))


def test_delong_against_all_pairs(benchmark, capsys):
    targets, scores = sample(100_000)
    error = auc_interval(targets, scores).standard_error
    assert error == pytest.approx(delong_by_definition(targets, scores), rel=1e-9)
    ours, pairs = in_turns(
        lambda: seconds(lambda: auc_interval(targets, scores)),
        lambda: seconds(lambda: delong_by_definition(targets, scores)),
    )
    benchmark.pedantic(lambda: auc_interval(targets, scores), rounds=5)
    print_ratio(capsys, benchmark, "DeLong of 100,000 images, all pairs / ours", pairs / ours)


@pytest.mark.parametrize(("images", "looped"), [(10_000, 50), (100_000, 5)])
def test_resampled_aucs_against_a_loop(benchmark, capsys, images, looped):
    targets, scores = sample(images)

    def ours() -> object:
        return bootstrap_aucs([Sample(targets, scores)], draws=1000, rng=np.random.default_rng(0))

    def loop() -> list[float]:
        rng = np.random.default_rng(0)
        rows = rng.integers(0, images, (looped, images))
        return [float(roc_auc_score(targets[row], scores[row])) for row in rows]

    fast, slow = in_turns(lambda: seconds(ours), lambda: seconds(loop) * 1000 / looped)
    benchmark.pedantic(ours, rounds=1)
    print_ratio(capsys, benchmark, f"1,000 resampled AUCs of {images:,} images, loop / ours", slow / fast)


@functools.cache
def imported(code: str) -> list[str]:
    """Return the modules of an interpreter that runs this code, without ours and those that no import makes."""
    listing = (
        f"{code}\nimport sys\n"
        "for name, module in list(sys.modules.items()):\n"
        "    if getattr(module, '__spec__', None) and not name.startswith('cxrshort'):\n"
        "        print(name)"
    )
    return subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("command", COMMANDS)
def test_start_against_what_is_imported(benchmark, capsys, command):
    """The command's modules against an interpreter that imports the libraries which these import, and nothing else."""
    module = command.replace("-", "_")
    ours = f"import cxrshort.cli.stats.{module}, cxrshort.verbs.stats.{module}"
    before, after = imported(""), imported(ours)
    needed = [name for name in after if name not in before and "._" not in name and not name.startswith("_")]
    assert "torch" not in needed
    libraries = "import importlib\nfor name in " + repr(needed) + ":\n    importlib.import_module(name)"

    def wall(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return time.perf_counter() - start

    pairs = [(wall(ours), wall(libraries)) for _ in range(4)]
    benchmark.pedantic(lambda: wall(ours), rounds=1)
    ratio = statistics.median(first / second for first, second in pairs[1:])
    print_ratio(capsys, benchmark, f"start of stats {command} / its libraries", ratio)


def test_fifteen_labels_of_100_000_images(benchmark, capsys, tmp_path: Path):
    rng = np.random.default_rng(0)
    rows = 100_000
    table = pd.DataFrame(
        {"model": "m", "model_id": "m", "training": "t", "training_id": "t", "dataset": "d"}, range(rows)
    )
    table = table.assign(dataset_id="d", replicate=0, role="internal", image_id=np.arange(rows))
    table["person_id"] = rng.integers(0, rows // 3, rows)
    for label in range(15):
        targets = rng.random(rows) < 0.1
        table[f"target.L{label}"], table[f"logit.L{label}"] = targets.astype(int), targets + rng.normal(size=rows)
    path = tmp_path / "predictions.csv"
    table.to_csv(path, index=False, float_format="%.6g")
    code = (
        "import re, time\n"
        "from pathlib import Path\n"
        "from cxrshort.verbs.stats.auc import auc\n"
        "start = time.perf_counter()\n"
        f"result = auc({str(path)!r})\n"
        "peak = re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]\n"
        "print(time.perf_counter() - start, int(peak) / 1024)\n"
        "assert len(result.summary['aucs']) == 15\n"
    )

    def measure() -> tuple[float, float]:
        lines = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        wall, memory = map(float, lines.split())
        return wall, memory

    walls, memories = zip(*(measure() for _ in range(3)), strict=True)
    reading = statistics.median(seconds(lambda: pd.read_csv(path)) for _ in range(3))
    benchmark.pedantic(measure, rounds=1)
    print_ratio(capsys, benchmark, "stats auc of 15 labels x 100,000 images / reading the table", min(walls) / reading)
    print_ratio(capsys, benchmark, "its seconds", min(walls))
    print_ratio(capsys, benchmark, "its peak memory, MiB", max(memories))
