"""DenseNet-121 at 224 px on an accelerator: ``pytest --benchmark-only tests/benchmarks/test_accelerator.py``.

Images per second through ``fit``, data path included, in the second epoch (the first one compiles and tunes), and how
long one replicate of dataset II would take: 97,866 images and 30 epochs, about 5 hours in DeGrave et al. 2021. The same
network alone, on a batch that lies on the device, is the floor.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from cxrshort.compute import Compute, choose_compute
from cxrshort.dataset import IMAGES, Pixels
from cxrshort.images.cache import create_cache
from cxrshort.models import checkpoint, factory
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.training import recipes
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.data.batches import Batches
from cxrshort.training.loop import FitConfig, fit, make_optimizer
from cxrshort.training.objectives.erm import ERM
from cxrshort.training.recipes import Recipe

SIZE, LABELS = 224, 15
DATASET_II, EPOCHS = 97_866, 30


@pytest.fixture(scope="module")
def compute() -> Compute:
    actual = choose_compute("auto")
    if actual.torch_device.type == "cpu":
        pytest.skip("no accelerator on this machine")
    return actual


def new_model(compute: Compute) -> Classifier:
    labels = tuple(f"label {number}" for number in range(LABELS))
    model = factory.build_model(checkpoint.Description("classifier", "densenet121", labels, InputSpec(SIZE)))
    return model.to(compute.torch_device, memory_format=torch.channels_last)


def recipe(*, compiled: bool) -> Recipe:
    return recipes.load_recipe("degrave2021", overrides={"weights": "none", "epochs": 2, "compile": compiled})


def through_fit(batches: Batches, compute: Compute, folder: Path, *, compiled: bool) -> float:
    """Return the images per second of the second epoch."""
    events = []
    config = FitConfig(ERM(), recipe(compiled=compiled), compute, lambda _: {"score": 0.5}, events.append)
    fit(new_model(compute), batches, config=config, checkpoint=Checkpoint(path=folder / "state"))
    return len(batches.pixels) / events[-1]["seconds"]


def alone(batch_size: int, compute: Compute, *, compiled: bool, steps: int) -> float:
    """Return the images per second of the network's own steps."""
    model = new_model(compute).train()
    if compiled:
        model.compile()
    images = torch.rand(batch_size, 1, SIZE, SIZE, device=compute.torch_device)
    targets = torch.randint(0, 2, (batch_size, LABELS), device=compute.torch_device).float()
    optimizer = make_optimizer(model, recipe(compiled=compiled))
    for step in range(2 * steps):
        if step == steps:
            _wait(compute)
            start = time.perf_counter()
        with compute.autocast():
            loss = nn.functional.binary_cross_entropy_with_logits(model(images).float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    _wait(compute)
    return steps * batch_size / (time.perf_counter() - start)


def _wait(compute: Compute) -> None:
    if compute.torch_device.type == "cuda":
        torch.cuda.synchronize(compute.torch_device)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("batch_size", [16, 256, 512])
def test_densenet121(benchmark, capsys, tmp_path, compute, batch_size, compiled):
    measure(benchmark, capsys, tmp_path, compute, batch_size=batch_size, compiled=compiled, steps=40)


def measure(benchmark, capsys, folder, compute, *, batch_size: int, compiled: bool, steps: int) -> None:
    count = steps * batch_size
    cache = create_cache(folder / IMAGES, (count, SIZE, SIZE))
    cache[:] = np.random.default_rng(0).integers(0, 256, cache.shape, dtype=np.uint8)
    pixels = Pixels(pd.DataFrame({"image_id": "", "cache": str(folder), "cache_row": range(count)}))
    targets = np.random.default_rng(1).integers(0, 2, (count, LABELS)).astype(np.float32)
    batches = Batches(pixels, targets, batch_size=batch_size, seed=0, device=compute.torch_device)
    rate = through_fit(batches, compute, folder, compiled=compiled)
    floor = alone(batch_size, compute, compiled=compiled, steps=steps)
    benchmark.pedantic(lambda: None, rounds=1)
    minutes = DATASET_II * EPOCHS / rate / 60
    benchmark.extra_info.update(images_per_second=round(rate), fit_to_bare=round(rate / floor, 3))
    kind = "compiled" if compiled else "eager"
    with capsys.disabled():
        sys.stderr.write(
            f"\n{compute.device}, batch {batch_size}, {kind}: {rate:.0f} images/s, fit / bare {rate / floor:.2f}, "
            f"a replicate of dataset II {minutes:.0f} minutes\n"
        )
