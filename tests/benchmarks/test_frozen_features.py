"""An epoch of logistic regression on fixed features against one of the whole network, as a ratio measured in one run:
``pytest --benchmark-only tests/benchmarks/test_frozen_features.py``.

DenseNet-121 at 64 px, 256 phantoms, batch 32, 15 labels. An epoch is steps, validation and the saved state. The
features are computed before the first epoch; that pass is told apart.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from cxrshort.compute import choose_compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.images.prefetch import Source
from cxrshort.models import checkpoint, factory
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.training import recipes
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.data.batches import Batches
from cxrshort.training.data.features import compute_features, head
from cxrshort.training.loop import FitConfig, fit
from cxrshort.training.objectives.erm import ERM
from cxrshort.verbs.build_dataset import build_dataset

IMAGES, SIZE, BATCH, LABELS, EPOCHS = 256, 64, 32, 15, 5
COMPUTE = choose_compute("cpu")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("phantoms") / "phantom-III"
    build_dataset("phantom-III", out=folder, number_of_images=IMAGES, size=SIZE, replicates=1, jobs=1)
    return load_dataset(str(folder))


def model(name: str) -> Classifier:
    labels = tuple(f"label {number}" for number in range(LABELS))
    return factory.build_model(checkpoint.Description("classifier", name, labels, InputSpec(SIZE)))


def epoch_seconds(learner: nn.Module, source: Source, folder: Path, *, epochs: int) -> float:
    """Return the median seconds between the ends of epochs, from the first one's beginning."""
    targets = np.random.default_rng(0).integers(0, 2, (IMAGES, LABELS)).astype(np.float32)
    batches = Batches(source, targets, batch_size=BATCH, seed=0, device=COMPUTE.torch_device)
    ends = [time.perf_counter()]

    def tell(event):
        if event["event"] == "epoch":
            ends.append(time.perf_counter())

    recipe = recipes.load_recipe("standard", overrides={"epochs": epochs})
    fit(
        learner,
        batches,
        config=FitConfig(ERM(), recipe, COMPUTE, lambda _: {"score": 0.5}, tell),
        checkpoint=Checkpoint(path=folder / "state"),
    )
    return statistics.median(np.diff(ends))


def test_frozen_features_against_the_whole_network(benchmark, capsys, phantoms, tmp_path):
    frozen = model("densenet121-frozen")
    start = time.perf_counter()
    features = compute_features(frozen, phantoms.pixels, compute=COMPUTE)
    once = time.perf_counter() - start
    learner = head(frozen, find_architecture("densenet121-frozen"))
    on_features = epoch_seconds(learner, features, tmp_path, epochs=EPOCHS)
    whole = epoch_seconds(model("densenet121"), phantoms.pixels, tmp_path, epochs=2)
    benchmark.pedantic(lambda: epoch_seconds(learner, features, tmp_path, epochs=1), rounds=1)
    benchmark.extra_info.update(ratio=whole / on_features, features_seconds=once)
    with capsys.disabled():
        times = f"whole {whole:.2f} s, on features {1000 * on_features:.1f} ms, features once {once:.2f} s"
        sys.stderr.write(
            f"\nepoch of the whole network / of logistic regression: {whole / on_features:.0f} ({times})\n"
        )
