import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.models import factory
from cxrshort.models.architecture import Architecture
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outputs import Task
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.training.objectives.contract import make_objective
from cxrshort.training.rehearsal import rehearse
from cxrshort.verbs.train import train

from .tiny import tiny_dataset

CPU = Compute("cpu", "fp32", 1)
LABELS = ("COVID-19", "Edema")


@pytest.mark.parametrize("method", ["rrr", "gain", "isnet", "irm", "pgi", "group-dro"])
def test_rehearsal_leaves_model_objective_and_draws_as_they_were(method: str) -> None:
    model = factory.build_model(Description("classifier", "small-cnn", LABELS, InputSpec(size=32)), seed=1)
    objective = make_objective(method, "", task=Task())
    objective.check(torch.tensor([0, 1]).numpy(), object())
    assert isinstance(objective, nn.Module)
    states = [copy.deepcopy(module.state_dict()) for module in (model, objective)]
    draws, training = torch.get_rng_state(), model.training
    rehearse(model, objective, architecture=find_architecture("small-cnn"), compute=CPU, shape=(32, 32))
    for module, before in zip((model, objective), states, strict=True):
        assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), draws)
    assert model.training == training
    assert all(parameter.grad is None for parameter in model.parameters())


class Smooth(nn.Module):
    """A network that LRP does not cover."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = nn.functional.silu(self.first(images)).mean((2, 3))
        logits: Tensor = self.last(maps)
        return logits


def test_network_that_a_method_cannot_explain_is_refused_at_once() -> None:
    model = Classifier(Smooth(), labels=LABELS, spec=InputSpec(size=32))
    with pytest.raises(UsageError) as caught:
        rehearse(
            model,
            make_objective("isnet", "", task=Task()),
            architecture=Architecture("smooth", lambda outputs: Smooth(), "last"),
            compute=CPU,
            shape=(32, 32),
        )
    assert caught.value.message == "'lrp' explains networks of ReLUs and vision transformers, and this one has 'silu'"


def test_network_of_others_that_needs_larger_images_is_refused_with_a_size(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    data = str(tiny_dataset(tmp_path / "tiny"))
    with pytest.raises(UsageError) as caught:
        train(data, arch="timm:inception_v3", out=tmp_path / "run", device="cpu", threads=1)
    assert caught.value.message.startswith("'timm:inception_v3' cannot learn from images of 32 pixels: ")
    assert caught.value.hint == ("build-dataset with --size 299, as published, or choose another --arch")
    assert not (tmp_path / "run").exists()
