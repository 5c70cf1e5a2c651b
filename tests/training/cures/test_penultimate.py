"""What enters the last layer, computed once and resumed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrshort import runs
from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.scoring import scan, score
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.training.cures.penultimate import FEATURES, fill_features, penultimate

from .planted import SIDE, planted

FP32 = Compute("cpu", "fp32", 1)
HEAD = find_architecture("small-cnn").head


def small() -> Classifier:
    return factory.build_model(Description("classifier", "small-cnn", ("a", "b"), InputSpec(SIDE)), seed=3).eval()


@pytest.mark.parametrize("name", ["small-cnn", "resnet18", "densenet121"])
def test_last_layer_of_the_features_gives_the_logits(tmp_path: Path, name: str) -> None:
    pixels = load_dataset(str(planted(tmp_path, people=20))).pixels
    model = factory.build_model(Description("classifier", name, ("a", "b"), InputSpec(32))).eval()
    head = find_architecture(name).head
    values = scan(penultimate(model, head), pixels, model=model, compute=FP32)
    layer = model.network.get_submodule(head)
    assert values.shape == (20, layer.in_features) and not layer._forward_pre_hooks
    with torch.inference_mode():
        actual = layer(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(actual, score(model, pixels, compute=FP32), atol=1e-5)


class Squashed(nn.Module):
    """Do something behind the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(SIDE * SIDE, 1)

    def forward(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self.last(images.flatten(1)))


def test_network_that_goes_on_behind_its_last_layer_is_refused(tmp_path: Path) -> None:
    pixels = load_dataset(str(planted(tmp_path, people=8))).pixels
    spec = InputSpec(SIDE, channels=1, mean=(0.0,), std=(1.0,))
    model = Classifier(Squashed(), labels=("a",), spec=spec)
    with pytest.raises(UsageError) as caught:
        scan(penultimate(model, "last"), pixels, model=model, compute=FP32)
    assert caught.value.message == "the logits of the network are not those of its last layer 'last' alone"


def test_features_are_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    pixels = load_dataset(str(planted(tmp_path / "films", people=300))).pixels
    model = small()

    def fill(name: str, *, resume: bool = False, stop: int = 1000) -> bytes:
        def report(event: dict[str, object]) -> None:
            if int(str(event["done"])) >= stop:
                raise KeyboardInterrupt

        with runs.open_run(tmp_path / name, "train", arguments={}, resume=resume) as run:
            fill_features(
                run, model, pixels, head=HEAD, compute=FP32, settings={}, resume=resume, report=report  # type: ignore[arg-type]
            )  # fmt: skip
        return (tmp_path / name / FEATURES).read_bytes()

    whole = fill("whole")
    with pytest.raises(KeyboardInterrupt):
        fill("stopped", stop=256)
    assert fill("stopped", resume=True) == whole


def test_features_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    pixels = load_dataset(str(planted(tmp_path / "films", people=8))).pixels
    model = small()
    with torch.no_grad():
        next(model.network.parameters()).fill_(float("nan"))
    with runs.open_run(tmp_path / "run", "train", arguments={}) as run, pytest.raises(DataError) as caught:
        fill_features(run, model, pixels, head=HEAD, compute=FP32, settings={})
    assert caught.value.message == "the model has features that are no numbers for 8 of 8 images"
