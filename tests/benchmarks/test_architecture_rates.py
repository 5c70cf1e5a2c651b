"""Rates of every architecture, as ratios measured in one run:
``pytest --benchmark-only tests/benchmarks/test_architecture_rates.py``.

Each architecture takes the size that it was published with, or 224 px, and 15 labels, or masks. What is compared runs
in turns, for some seconds each, and the ratio is that of the medians. At the end stands one table of all.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from cxrshort.compute import Compute, choose_compute
from cxrshort.dataset import IMAGES, MASKS, Pixels
from cxrshort.images.cache import create_cache
from cxrshort.models import ARCHITECTURES, checkpoint, factory
from cxrshort.models.classifier import Classifier, default_spec
from cxrshort.models.outputs import Task
from cxrshort.models.scoring import SCORING_BATCH, score
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.training import recipes
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.data.batches import Batches
from cxrshort.training.loop import FitConfig, fit, make_optimizer
from cxrshort.training.objectives.erm import ERM

from .turns import in_turns

BATCH, SIZE, LABELS = 16, 224, 15
SECONDS, FEWEST_STEPS, MOST_STEPS = 4.0, 3, 60
RECIPE = recipes.load_recipe("degrave2021", overrides={"weights": "none", "epochs": 1})
NAMES = [name for name in ARCHITECTURES if not find_architecture(name).frozen]
COLUMNS = ("fit / bare", "bf16 / fp32", "score / forward")


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, list[float]]]:
    rows: dict[str, list[float]] = {}
    yield rows
    lines = ["", f"{'architecture':<20}" + "".join(f"{name:>18}" for name in COLUMNS)]
    lines += [f"{name:<20}" + "".join(f"{value:>18.2f}" for value in values) for name, values in rows.items()]
    sys.stderr.write("\n".join(lines) + "\n")


def model(name: str) -> Classifier:
    architecture = find_architecture(name)
    kind, outputs = ("segmenter", 1) if architecture.output == "masks" else ("classifier", LABELS)
    labels = tuple(f"output {number}" for number in range(outputs))
    return factory.build_model(checkpoint.Description(kind, name, labels, default_spec(architecture, SIZE)))


def fold(folder: Path, size: int, count: int) -> None:
    """Write random images, and masks of which half the pixels are foreground."""
    generator = np.random.default_rng(0)
    for file in (IMAGES, MASKS):
        create_cache(folder / file, (count, size, size))[:] = generator.integers(0, 256, (count, size, size), np.uint8)


def rows(folder: Path, count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"image_id": "", "cache": str(folder), "cache_row": range(count), "mask_row": range(count)},
    )


def through_fit(learner: nn.Module, batches: Batches, task: Task, compute: Compute, folder: Path) -> float:
    """Return the seconds of one epoch as the loop reports them."""
    events: list[dict[str, float]] = []
    objective = ERM(task=task)
    config = FitConfig(objective, RECIPE, compute, lambda _: {"score": 0.5}, lambda event: events.append(dict(event)))
    fit(learner, batches, config=config, checkpoint=Checkpoint(path=folder / "state"))
    return events[-1]["seconds"]


def bare_steps(
    learner: nn.Module, examples: tuple[torch.Tensor, torch.Tensor], compute: Compute, *, steps: int
) -> float:
    """Return the seconds of as many steps of the network alone, on tensors that are ready."""
    images, targets = examples
    optimizer = make_optimizer(learner, RECIPE)
    learner.train()
    start = time.perf_counter()
    for _ in range(steps):
        with compute.autocast():
            loss = nn.functional.binary_cross_entropy_with_logits(learner(images).float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def enough_steps(learner: nn.Module, examples: tuple[torch.Tensor, torch.Tensor], compute: Compute) -> int:
    """Return how many steps take some seconds, so that what happens once an epoch weighs as little as in real ones."""
    bare_steps(learner, examples, compute, steps=1)
    return int(np.clip(SECONDS / bare_steps(learner, examples, compute, steps=1), FEWEST_STEPS, MOST_STEPS))


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


@pytest.mark.parametrize("name", NAMES)
def test_rates(benchmark, capsys, tmp_path, table, name):
    compute = choose_compute("cpu")
    fp32 = choose_compute("cpu", precision="fp32")
    architecture = find_architecture(name)
    size, draws = architecture.input_size or SIZE, architecture.output == "masks"
    ours, bare = (model(name).to(memory_format=torch.channels_last) for _ in range(2))
    usual = model(name)
    many = torch.rand(SCORING_BATCH, 1, size, size)
    with torch.no_grad():
        targets = torch.randint(0, 2, bare(many[:BATCH]).shape).float()
    examples = (many[:BATCH], targets)
    steps = enough_steps(bare, examples, compute)
    count = steps * BATCH
    fold(tmp_path, size, max(count, SCORING_BATCH))
    labels = np.zeros((count, 0 if draws else LABELS), np.float32)
    train = rows(tmp_path, count)
    masks = Pixels(train, file=MASKS, row="mask_row") if draws else None
    batches = Batches(Pixels(train), labels, batch_size=BATCH, seed=0, device=torch.device("cpu"), masks=masks)
    task = Task("masks" if draws else "multilabel")
    pixels = Pixels(rows(tmp_path, SCORING_BATCH))
    seconds = in_turns(
        lambda: through_fit(ours, batches, task, compute, tmp_path),
        lambda: bare_steps(bare, examples, compute, steps=steps),
        lambda: bare_steps(usual, examples, fp32, steps=steps),
        lambda: scored(ours, pixels, compute),
        lambda: forward(bare, many, compute),
    )
    benchmark.pedantic(lambda: forward(bare, examples[0], compute), rounds=1)
    ratios = [seconds[1] / seconds[0], seconds[2] / seconds[1], seconds[4] / seconds[3]]
    benchmark.extra_info.update(zip(COLUMNS, (round(ratio, 3) for ratio in ratios), strict=True))
    table[name] = ratios
    with capsys.disabled():
        facts = ", ".join(f"{what} {ratio:.2f}" for what, ratio in zip(COLUMNS, ratios, strict=True))
        sys.stderr.write(f"\n{name}: {facts}; {count / seconds[0]:.1f} images/s\n")
