from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.targets import label_matrix
from cxrshort.training import recipes
from cxrshort.training.data.batches import Batch, Batches
from cxrshort.training.forecast import forecast
from cxrshort.training.loop import FitConfig
from cxrshort.training.objectives.erm import ERM

from .tiny import tiny_dataset


def test_forecast_follows_from_the_rate_that_it_measured(tmp_path: Path) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    model = factory.build_model(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=16)))
    targets = label_matrix(data.manifest, ["COVID-19"])
    for batch_size in (4, 16, 20, 1000):  # a fold of one step too
        batches = Batches(data.pixels, targets, batch_size=batch_size, seed=0, device=torch.device("cpu"))
        recipe = recipes.load_recipe("standard", overrides={"epochs": 5000})
        config = FitConfig(ERM(), recipe, Compute("cpu", "fp32", 1), lambda network: {})
        result = forecast(model, batches, config=config, validation_images=12)
        assert result["parameters"] == sum(parameter.numel() for parameter in model.parameters())
        assert result["images_per_second"] > 0
        hours = 5000 * (48 + 12 / 3) / result["images_per_second"] / 3600
        # Both figures are rounded: the rate to three digits, however slow the machine is just now.
        assert abs(result["hours"] - hours) <= 0.006 * hours + 0.0006
        assert result["trial_images"] == min(batch_size, 48)


class Judged(ERM):
    """Take ten times as long for an image that is validated as for one that is learnt."""

    validation_cost = 10.0


def test_forecast_counts_validation_at_the_cost_that_the_objective_states(tmp_path: Path) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    model = factory.build_model(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=16)))
    batches = Batches(
        data.pixels,
        label_matrix(data.manifest, ["COVID-19"]),
        batch_size=16,
        seed=0,
        device=torch.device("cpu"),
    )
    recipe = recipes.load_recipe("standard", overrides={"epochs": 50000})
    config = FitConfig(Judged(), recipe, Compute("cpu", "fp32", 1), lambda network: {})
    result = forecast(model, batches, config=config, validation_images=12)
    hours = 50000 * (48 + 12 * 10) / result["images_per_second"] / 3600
    assert abs(result["hours"] - hours) <= 0.006 * hours + 0.0006


class Noting(ERM):
    """Note which epochs it was asked to learn; the first three are plain."""

    warm_up_epochs = 3

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        self.epochs.append(batch.epoch)
        return super().forward(model, batch)


def test_forecast_times_the_method_itself_and_what_comes_before(tmp_path: Path) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    model = factory.build_model(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=16)))
    targets = label_matrix(data.manifest, ["COVID-19"])
    batches = Batches(data.pixels, targets, batch_size=16, seed=0, device=torch.device("cpu"))
    recipe = recipes.load_recipe("standard", overrides={"epochs": 9})
    objective = Noting()
    config = FitConfig(objective, recipe, Compute("cpu", "fp32", 1), lambda network: {})
    result = forecast(model, batches, config=config, validation_images=12, seconds_before=7200.0)
    assert objective.epochs == [2] * 10 + [8] * 10  # steps of 2, 4 and 8 images, and seven of 16
    assert 2.0 <= result["hours"] < 2.5  # two hours before it, and nine epochs of 48 images


class Slow(ERM):
    """Let a clock run on by so many seconds for each image that is learnt."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
        super().__init__()
        self.now, self._seconds = 0.0, seconds
        monkeypatch.setattr("cxrshort.training.forecast.time.monotonic", lambda: self.now)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        self.now += self._seconds * len(batch.indices)
        return super().forward(model, batch)


@pytest.mark.parametrize(
    ("seconds", "steps"),
    [
        (20.0, [2]),
        (1.0, [2, 4, 4]),
        (0.3, [2, 4, 8, 8, 8]),
        (0.1, [2, 4, 8, *[16] * 5]),
        (0.001, [2, 4, 8, *[16] * 7]),
    ],
)
def test_trial_is_bounded_whatever_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, steps: list[int]
) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    model = factory.build_model(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=16)))
    targets = label_matrix(data.manifest, ["COVID-19"])
    batches = Batches(data.pixels, targets, batch_size=16, seed=0, device=torch.device("cpu"))
    recipe = recipes.load_recipe("standard", overrides={"epochs": 9})
    objective, events = Slow(monkeypatch, seconds=seconds), []
    config = FitConfig(objective, recipe, Compute("cpu", "fp32", 1), lambda network: {}, report=events.append)
    result = forecast(model, batches, config=config, validation_images=12)
    assert objective.now <= max(10.0, 2 * seconds)
    assert [event["images"] for event in events] == steps and {event["event"] for event in events} == {"trial"}
    assert result["images_per_second"] == pytest.approx(1 / seconds, rel=0.005)  # three digits
    assert result["seconds_per_step"] == pytest.approx(16 * seconds, rel=0.005)
    assert result["trial_images"] == steps[-1]
