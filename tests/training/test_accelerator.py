"""Training on a GPU: every method and every architecture, to the same bytes twice. Skipped where there is no GPU."""

from pathlib import Path

import pytest
import torch

from cxrshort.compute import choose_compute, deterministic
from cxrshort.models import ARCHITECTURES, checkpoint, factory
from cxrshort.models.classifier import InputSpec
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.training import OBJECTIVES
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GROUPS = ("group-dro", "irm", "pgi")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "phantom"
    build_dataset("phantom-III", out=folder, number_of_images=120, size=64, replicates=1)
    return folder


@pytest.mark.parametrize("method", OBJECTIVES)
def test_method_trains_to_the_same_bytes_twice(films: Path, tmp_path: Path, method: str) -> None:
    overrides = {
        "method": method,
        "epochs": 3,
        "batch_size": 16,
        "group": "repository" if method in GROUPS else None,
        "settings": "warm_up_epochs=1" if method in ("isnet", "irm", "pgi") else None,
    }
    arch = "multitask-unet-small" if method == "multitask" else "small-cnn"
    models = []
    for name in ("first", "second"):
        train(str(films), arch=arch, overrides=overrides, out=tmp_path / name, device="cuda")
        models.append((tmp_path / name / checkpoint.FILE).read_bytes())
    assert models[0] == models[1]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architecture_learns_deterministically_on_a_gpu(name: str) -> None:
    compute = choose_compute("cuda")
    size = find_architecture(name).input_size or 224
    description = checkpoint.Description("classifier", name, ("Edema",), InputSpec(size))
    model = factory.build_model(description).to(compute.torch_device, memory_format=torch.channels_last).train()
    images = torch.rand(2, 1, size, size, device=compute.torch_device)
    with deterministic():
        with compute.autocast():
            loss = model(images).float().square().mean()
        loss.backward()
    assert all(parameter.grad is None or bool(parameter.grad.isfinite().all()) for parameter in model.parameters())


def test_segmenter_and_pipeline_train_and_are_evaluated(films: Path, tmp_path: Path) -> None:
    quick = {"epochs": 1, "batch_size": 16}
    train(str(films), arch="unet-small", overrides={**quick, "task": "masks"}, out=tmp_path / "lungs", device="cuda")
    overrides = {**quick, "background": "noise", "segmenter": str(tmp_path / "lungs")}
    train(str(films), arch="small-cnn", overrides=overrides, out=tmp_path / "whole", device="cuda")
    results = evaluate([tmp_path / "whole"], dataset=[str(films)], out=tmp_path / "results", device="cuda").summary
    assert len(results["aucs"]) == 1
