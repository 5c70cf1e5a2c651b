"""Training rates, as ratios measured in one run: ``pytest --benchmark-only tests/benchmarks/test_training_rate.py``.

DenseNet-121 at 224 px, batch 16, 15 labels. Each pair is measured in turns, and the ratio is that of the medians.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from cxrshort.compute import choose_compute
from cxrshort.dataset import IMAGES, Pixels
from cxrshort.images.cache import create_cache
from cxrshort.images.decoding import decode_into
from cxrshort.models import checkpoint, factory
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outputs import masked_bce
from cxrshort.training import recipes
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.data.batches import Batches
from cxrshort.training.loop import FitConfig, fit, make_optimizer
from cxrshort.training.objectives.erm import ERM

from .turns import in_turns

STEPS, BATCH, SIZE, LABELS = 8, 16, 224, 15
RECIPE = recipes.load_recipe("degrave2021", overrides={"weights": "none", "epochs": 1})


def new_model() -> Classifier:
    labels = tuple(f"label {number}" for number in range(LABELS))
    description = checkpoint.Description("classifier", "densenet121", labels, InputSpec(SIZE))
    return factory.build_model(description).to(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Batches:
    folder = tmp_path_factory.mktemp("cache")
    count = STEPS * BATCH
    cache = create_cache(folder / IMAGES, (count, SIZE, SIZE))
    cache[:] = np.random.default_rng(0).integers(0, 256, cache.shape, dtype=np.uint8)
    pixels = Pixels(pd.DataFrame({"image_id": "", "cache": str(folder), "cache_row": range(count)}))
    targets = np.random.default_rng(1).integers(0, 2, (count, LABELS)).astype(np.float32)
    return Batches(pixels, targets, batch_size=BATCH, seed=0, device=torch.device("cpu"))


def through_fit(model: nn.Module, batches: Batches, folder: Path) -> float:
    """Return the seconds of one epoch as the loop reports them."""
    events = []
    config = FitConfig(ERM(), RECIPE, choose_compute("cpu"), lambda _: {"score": 0.5}, events.append)
    fit(model, batches, config=config, checkpoint=Checkpoint(path=folder / "state"))
    return float(events[-1]["seconds"])


def bare_steps(model: nn.Module) -> float:
    """Return the seconds of as many steps of the network alone, on a tensor that is ready."""
    compute = choose_compute("cpu")
    images = torch.rand(BATCH, 1, SIZE, SIZE)
    targets = torch.randint(0, 2, (BATCH, LABELS)).float()
    optimizer = make_optimizer(model, RECIPE)
    model.train()
    start = time.perf_counter()
    for _ in range(STEPS):
        with compute.autocast():
            loss = masked_bce(model(images), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def tell(benchmark, capsys, title: str, ratio: float) -> None:
    benchmark.extra_info[title] = round(ratio, 3)
    with capsys.disabled():
        sys.stdout.write(f"\n{title}: {ratio:.3f}\n")


def test_fit_against_the_bare_network_step(benchmark, capsys, batches, tmp_path):
    model, bare = new_model(), new_model()
    ours, floor = in_turns(lambda: through_fit(model, batches, tmp_path), lambda: bare_steps(bare))
    benchmark.pedantic(lambda: through_fit(model, batches, tmp_path), rounds=1)
    tell(benchmark, capsys, "steps/s, fit / bare network", floor / ours)


class PlainFiles(torch.utils.data.Dataset):
    """Decode a file for each item, as in most papers' code."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, item: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = Image.open(self.paths[item]).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return (pixels - 0.45) / 0.225, torch.zeros(LABELS)


def plain_loop(paths: list[Path]) -> float:
    from torchvision.models import densenet121

    start = time.perf_counter()
    network = densenet121(num_classes=LABELS).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    for images, targets in torch.utils.data.DataLoader(PlainFiles(paths), batch_size=BATCH, num_workers=2):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(network(images), targets).backward()
        optimizer.step()
    return time.perf_counter() - start


def decoded_then_trained(paths: list[Path], folder: Path) -> float:
    """Return the seconds from files to the end of an epoch, the building of the cache included."""
    start = time.perf_counter()
    create_cache(folder / IMAGES, (len(paths), SIZE, SIZE))
    decode_into(folder / IMAGES, paths, rows=range(len(paths)), size=SIZE, jobs=2)
    pixels = Pixels(pd.DataFrame({"image_id": "", "cache": str(folder), "cache_row": range(len(paths))}))
    targets = np.zeros((len(paths), LABELS), np.float32)
    batches = Batches(pixels, targets, batch_size=BATCH, seed=0, device=torch.device("cpu"))
    through_fit(new_model(), batches, folder)
    return time.perf_counter() - start


def test_files_to_epoch_against_a_plain_loop(benchmark, capsys, test_data, tmp_path):
    originals = sorted((test_data / "nih" / "images_full").glob("*.png"))
    paths = (originals * STEPS * BATCH)[: STEPS * BATCH]
    ours, plain = in_turns(lambda: decoded_then_trained(paths, tmp_path), lambda: plain_loop(paths))
    benchmark.pedantic(lambda: decoded_then_trained(paths, tmp_path), rounds=1)
    tell(benchmark, capsys, "images/s, cxrshort / plain loop", plain / ours)
