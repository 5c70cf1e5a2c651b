from pathlib import Path

import pytest
import torch
from torch import nn

from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import ResumableError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.targets import label_matrix
from cxrshort.training import checkpointing as states
from cxrshort.training import recipes
from cxrshort.training.averaging import Average
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.data.batches import Batches
from cxrshort.training.loop import FitConfig, fit
from cxrshort.training.objectives.erm import ERM

from .tiny import tiny_dataset

FP32 = Compute("cpu", "fp32", 1)


def test_average_is_the_weighted_sum_of_all_states_written_out() -> None:
    """Decays of steps 0 to 3 are 1/10, 2/11, 3/12 and, above the limit, 0.3 instead of 4/13."""
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(model.weight, 5.0)
    average = Average(model, decay=0.3)
    expected = 5.0
    for step, (value, decay) in enumerate([(1.0, 1 / 10), (2.0, 2 / 11), (4.0, 1 / 4), (8.0, 0.3)]):
        nn.init.constant_(model.weight, value)
        average.update(model, step=step)
        expected = decay * expected + (1 - decay) * value
        # fp64: rounding of one multiplication and one addition a step.
        assert float(average.weights["weight"]) == pytest.approx(expected, rel=1e-14)


def test_average_takes_in_running_statistics_and_copies_counters() -> None:
    model = nn.BatchNorm1d(1)
    average = Average(model, decay=0.9)
    model(torch.tensor([[1.0], [3.0]]))
    average.update(model, step=0)
    assert float(average.weights["running_mean"]) == pytest.approx(0.9 * 0.2)
    assert int(average.weights["num_batches_tracked"]) == 1


def test_standing_in_puts_the_weights_back_even_after_an_error() -> None:
    model = nn.Linear(1, 1)
    average = Average(model, decay=0.5)
    nn.init.constant_(model.weight, 7.0)
    with pytest.raises(ZeroDivisionError), average.standing_in(model):
        assert model.weight.item() != 7.0
        raise ZeroDivisionError
    assert model.weight.item() == 7.0


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny")))
    targets = label_matrix(data.manifest, ["COVID-19"])
    return Batches(data.pixels, targets, batch_size=8, seed=0, device=torch.device("cpu"))


def build() -> Classifier:
    return factory.build_model(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=32)), seed=1)


def config(*, seen: list[torch.Tensor], stop_at: int = 0) -> FitConfig:
    """Return a fit of two epochs of six steps, interrupted after ``stop_at`` steps; ``seen`` is what it judges."""
    looks = iter(range(1, 100))

    def validate(model: nn.Module) -> dict[str, float]:
        seen.append(next(model.parameters()).detach().clone())
        return {"score": 0.5 + len(seen) / 10}

    recipe = recipes.load_recipe("standard", overrides={"epochs": 2, "ema": 0.8})
    return FitConfig(ERM(), recipe, FP32, validate, interrupted=lambda: next(looks) == stop_at)


def test_fit_judges_and_keeps_the_average_while_the_weights_go_on(batches: Batches, tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []
    model = build()
    state = fit(model, batches, config=config(seen=seen), checkpoint=Checkpoint(path=tmp_path / "state.pt"))
    name = next(iter(dict(model.named_parameters())))
    assert torch.equal(seen[1], state.best_weights[name])
    assert torch.equal(seen[1], state.average[name])
    assert torch.equal(model.state_dict()[name], state.model[name])
    assert not torch.equal(state.model[name], state.average[name])


@pytest.mark.parametrize("stop_at", [4, 6, 9])
def test_resumed_average_ends_in_the_same_bits(batches: Batches, tmp_path: Path, stop_at: int) -> None:
    unbroken = fit(build(), batches, config=config(seen=[]), checkpoint=Checkpoint(path=tmp_path / "state.pt"))
    with pytest.raises(ResumableError):
        fit(
            build(), batches, config=config(seen=[], stop_at=stop_at), checkpoint=Checkpoint(path=tmp_path / "state.pt")
        )
    saved = states.load_checkpoint(tmp_path / "state.pt", settings={})
    resumed = fit(build(), batches, config=config(seen=[]), checkpoint=saved)
    for kept in ("average", "model"):
        expected, got = getattr(unbroken, kept), getattr(resumed, kept)
        assert all(torch.equal(value, got[name]) for name, value in expected.items())
