"""The contract that every objective keeps, a new line in the table too; and objectives from words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch

from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import ResumableError, UsageError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outputs import Task
from cxrshort.registry import load_entry
from cxrshort.training import OBJECTIVES, checkpointing, recipes
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.data.batches import Batch, Batches
from cxrshort.training.data.folds import Folds
from cxrshort.training.loop import FitConfig, fit
from cxrshort.training.objectives.contract import make_objective

from ..tiny import tiny_dataset

FP32 = Compute("cpu", "fp32", 1)


SHORT = {"isnet": {"warm_up_epochs": 1}}
"""Settings that bring every part of an objective into a run of three epochs."""


@pytest.fixture(scope="module", params=list(OBJECTIVES))
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def make(method: str, folds: Folds) -> Callable[[], Any]:
    kind = load_entry(OBJECTIVES, method, kind="method")

    def build_objective() -> Any:
        objective = kind(kind.Settings(**SHORT.get(method, {})))
        objective.check(groups(folds), Corner())
        return objective

    return build_objective


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Folds:
    data = load_dataset(str(tiny_dataset(tmp_path_factory.mktemp("contract") / "tiny", size=16)))
    return Folds.cut(data, recipes.load_recipe("standard"), replicate=0, explicit_label=False)


def build(folds: Folds, method: str, *, dropout: bool = True) -> Classifier:
    """Return a small network that the method can teach; without dropout, two looks at one batch see the same."""
    name = "multitask-unet-small" if method == "multitask" else "small-cnn"
    model = factory.build_model(Description("classifier", name, folds.labels, InputSpec(size=16)), seed=1)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) and not dropout:
            module.p = 0.0
    return model


def groups(folds: Folds) -> npt.NDArray[np.int64]:
    return pd.factorize(folds.train.manifest["view"], sort=True)[0]


class Corner:
    """Masks of the quarter that shows COVID-19, in the lungs' bit; other bits are set all over."""

    def take(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        masks = np.full((len(indices), 16, 16), 2, np.uint8)
        masks[:, :8, :8] |= 1
        return masks


def batches(folds: Folds) -> Batches:
    return Batches(
        folds.train.pixels,
        folds.train_targets,
        batch_size=8,
        seed=0,
        device=torch.device("cpu"),
        groups=groups(folds),
        masks=Corner(),
    )


def first(folds: Folds) -> Batch:
    return next(batches(folds).epoch(0))


@pytest.mark.parametrize("epoch", [0, 6])
def test_objective_gives_a_finite_loss_with_a_gradient(
    make: Callable[[], Any], method: str, folds: Folds, epoch: int
) -> None:
    model, objective = build(folds, method), make()
    objective(model, first(folds))
    loss = objective(model, first(folds)._replace(epoch=epoch))
    assert loss.shape == ()
    assert torch.isfinite(loss)
    loss.backward()
    assert all(parameter.grad is not None and torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    assert any(parameter.grad.abs().max() > 0 for parameter in model.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("epoch", [0, 6])
def test_two_steps_on_one_batch_lower_the_loss(make: Callable[[], Any], method: str, folds: Folds, epoch: int) -> None:
    model, batch, objective = build(folds, method, dropout=False), first(folds), make()
    objective(model, batch)
    batch = batch._replace(epoch=epoch)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    losses = []
    for _ in range(3):
        loss = objective(model, batch)
        optimizer.zero_grad()
        loss.backward()
        # Short steps downhill: the slopes of the explanation losses are a thousand times those of cross-entropy.
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.003)
        optimizer.step()
        losses.append(loss.item())
    assert losses[2] < losses[1] < losses[0]


def test_objective_learns_in_bf16_as_in_fp32_but_for_rounding(
    make: Callable[[], Any], method: str, folds: Folds
) -> None:
    losses = []
    for enabled in (False, True):
        model, objective = build(folds, method, dropout=False), make()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            objective(model, first(folds))
            losses.append(objective(model, first(folds)._replace(epoch=6)))
    assert losses[1].dtype == torch.float32
    # bf16 holds 8 bits: the network's own rounding, a few per cent of a loss at most.
    torch.testing.assert_close(losses[1], losses[0], rtol=0.05, atol=0.02)


def test_objective_leaves_the_model_as_plain_training_would(make: Callable[[], Any], method: str, folds: Folds) -> None:
    """One forward pass counts once in the running statistics, however the objective looks at the model."""
    plain, model, batch = build(folds, method).train(), build(folds, method).train(), first(folds)
    (plain.with_masks if method == "multitask" else plain)(batch.images)
    make()(model, batch)
    for name, value in plain.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-4, atol=1e-6, msg=name)
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())


@pytest.fixture(scope="module")
def unbroken(
    make: Callable[[], Any], method: str, folds: Folds, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    """Return the state at the end of a run of three epochs that nothing interrupts."""
    path = tmp_path_factory.mktemp("unbroken") / "checkpoint"
    return fit(build(folds, method), batches(folds), config=config(make(), folds), checkpoint=Checkpoint(path=path))


def config(objective: Any, folds: Folds, *, stop_after: int = 0) -> FitConfig:
    """Return a fit of three epochs, which is interrupted after a step; 0 interrupts nothing."""
    looks, recipe = iter(range(1, 100)), recipes.load_recipe("standard", overrides={"epochs": 3})
    return FitConfig(
        objective,
        recipe,
        FP32,
        lambda model: folds.validate(model, FP32),
        interrupted=lambda: next(looks) == stop_after,
    )


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4, 5, 7])
def test_objective_resumes_to_the_same_numbers(
    make: Callable[[], Any], method: str, folds: Folds, unbroken: Checkpoint, tmp_path: Path, stop_after: int
) -> None:
    """Interrupt after any step, at an epoch's edge too; what follows must not differ in a bit, dropout included."""
    interrupted = config(make(), folds, stop_after=stop_after)
    with pytest.raises(ResumableError, match="the state is saved"):
        fit(build(folds, method), batches(folds), config=interrupted, checkpoint=Checkpoint(path=tmp_path / "b"))
    saved = checkpointing.load_checkpoint(tmp_path / "b", settings={})
    resumed = fit(build(folds, method), batches(folds), config=config(make(), folds), checkpoint=saved)

    assert resumed.history == unbroken.history
    assert resumed.objective.keys() == unbroken.objective.keys()
    for name in unbroken.objective:
        assert torch.equal(resumed.objective[name], unbroken.objective[name])
    for name in unbroken.best_weights:
        assert torch.equal(resumed.best_weights[name], unbroken.best_weights[name])
        assert torch.equal(resumed.model[name], unbroken.model[name])


def test_settings_are_read_as_the_type_of_their_default():
    objective = make_objective("gain", "mining=2, learn_weights=true,seed=3", task=Task())
    assert (objective.settings.mining, objective.settings.learn_weights, objective.settings.seed) == (2.0, True, 3)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("emr", "", "'emr' is not a known method"),
        ("irm", "wieght=3", "'wieght' is not a known setting of irm"),
        ("irm", "weight", "--set 'weight' is not of the form name=value"),
        ("irm", "weight=much", "--set weight is 'much', it must be a number"),
        ("irm", "warm_up_epochs=1.5", "--set warm_up_epochs is '1.5', it must be a whole number"),
        ("gain", "learn_weights=1", "--set learn_weights is '1', it must be true or false"),
        ("irm", "weight=-1", "the weight of irm is '-1.0', it must not be below 0"),
    ],
)
def test_make_objective_refuses(name, settings, message):
    with pytest.raises(UsageError) as caught:
        make_objective(name, settings, task=Task())
    assert caught.value.message == message
