"""Rates of every architecture, as ratios measured in one run:
``pytest --benchmark-only tests/benchmarks/test_architecture_rates.py``.

Each architecture takes the size that it was published with, or 224 px, and 15 labels. What is compared runs in turns,
and the ratio is that of the medians. At the end stands one table of all.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from cxrshort import dataset as datasets
from cxrshort import devices
from cxrshort.dataset import Pixels
from cxrshort.devices import Compute
from cxrshort.images import create_cache
from cxrshort.models import ARCHITECTURES, checkpoint
from cxrshort.models.classifier import Classifier, default_spec
from cxrshort.models.lookup import find_architecture
from cxrshort.models.scoring import SCORING_BATCH, score
from cxrshort.training import recipes
from cxrshort.training.batches import Batches
from cxrshort.training.loop import Course, fit, make_optimizer
from cxrshort.training.objectives.erm import ERM
from cxrshort.training.state import Keeper, State
from cxrshort.training.task import masked_bce

STEPS, BATCH, SIZE, LABELS, TURNS = 3, 16, 224, 15, 3
RECIPE = recipes.load("degrave2021", overrides={"weights": "none", "epochs": 1})
NAMES = [
    name for name in ARCHITECTURES if find_architecture(name).output == "labels" and not find_architecture(name).frozen
]
COLUMNS = ("fit / bare", "bf16 / fp32", "score / forward")


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, list[float]]]:
    rows: dict[str, list[float]] = {}
    yield rows
    lines = ["", f"{'architecture':<20}" + "".join(f"{name:>18}" for name in COLUMNS)]
    lines += [f"{name:<20}" + "".join(f"{each:>18.2f}" for each in values) for name, values in rows.items()]
    sys.stderr.write("\n".join(lines) + "\n")


def model(name: str) -> Classifier:
    spec = default_spec(find_architecture(name), SIZE)
    labels = tuple(f"label {number}" for number in range(LABELS))
    return checkpoint.build(checkpoint.Description("classifier", name, labels, spec))


def fold(folder: Path, size: int, count: int) -> Pixels:
    cache = create_cache(folder / datasets.IMAGES, (count, size, size))
    cache[:] = np.random.default_rng(0).integers(0, 256, cache.shape, dtype=np.uint8)
    return Pixels(pd.DataFrame({"image_id": "", "cache": str(folder), "cache_row": range(count)}))


def through_fit(learner: nn.Module, batches: Batches, compute: Compute, folder: Path) -> float:
    events: list[dict[str, float]] = []
    keeper = Keeper(folder / "state")
    course = Course(ERM(), RECIPE, compute, lambda _: {"score": 0.5}, keeper, lambda each: events.append(dict(each)))
    fit(learner, batches, course=course, state=State())
    return events[-1]["seconds"]


def bare_steps(learner: nn.Module, images: torch.Tensor, compute: Compute) -> float:
    targets = torch.randint(0, 2, (len(images), LABELS)).float()
    optimizer = make_optimizer(learner, RECIPE)
    learner.train()
    start = time.perf_counter()
    for _ in range(STEPS):
        with compute.autocast():
            loss = masked_bce(learner(images), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def forward(learner: nn.Module, images: torch.Tensor, compute: Compute) -> float:
    learner.eval()
    start = time.perf_counter()
    with torch.inference_mode(), compute.autocast():
        learner(images)
    return time.perf_counter() - start


def scored(learner: nn.Module, pixels: Pixels, compute: Compute) -> float:
    start = time.perf_counter()
    score(learner, pixels, compute=compute)
    return time.perf_counter() - start


def medians(*works: Callable[[], float]) -> list[float]:
    """Return the median seconds of each, done in turns after one warm-up."""
    for work in works:
        work()
    times = [[work() for work in works] for _ in range(TURNS)]
    return [statistics.median(each) for each in zip(*times, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_rates(benchmark, capsys, tmp_path, table, name):
    compute = devices.choose("cpu")
    fp32 = devices.choose("cpu", precision="fp32")
    size = find_architecture(name).input_size or SIZE
    pixels = fold(tmp_path, size, max(STEPS * BATCH, SCORING_BATCH))
    rows = np.arange(STEPS * BATCH)
    train = Pixels(pd.DataFrame({"image_id": "", "cache": str(tmp_path), "cache_row": rows}))
    targets = np.random.default_rng(1).integers(0, 2, (len(rows), LABELS)).astype(np.float32)
    batches = Batches(train, targets, batch_size=BATCH, seed=0, device=torch.device("cpu"))
    ours, bare = (model(name).to(memory_format=torch.channels_last) for _ in range(2))
    usual = model(name)
    step, many = torch.rand(BATCH, 1, size, size), torch.rand(SCORING_BATCH, 1, size, size)
    seconds = medians(
        lambda: through_fit(ours, batches, compute, tmp_path),
        lambda: bare_steps(bare, step, compute),
        lambda: bare_steps(usual, step, fp32),
        lambda: scored(ours, pixels, compute),
        lambda: forward(bare, many, compute),
    )
    benchmark.pedantic(lambda: forward(bare, step, compute), rounds=1)
    ratios = [seconds[1] / seconds[0], seconds[2] / seconds[1], seconds[4] / seconds[3]]
    benchmark.extra_info.update(zip(COLUMNS, (round(each, 3) for each in ratios), strict=True))
    table[name] = ratios
    with capsys.disabled():
        facts = ", ".join(f"{what} {ratio:.2f}" for what, ratio in zip(COLUMNS, ratios, strict=True))
        sys.stderr.write(f"\n{name}: {facts}; {BATCH * STEPS / seconds[0]:.1f} images/s\n")
