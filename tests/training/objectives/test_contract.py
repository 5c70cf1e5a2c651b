"""The contract that every objective keeps, a new line in the table too; and objectives from words."""

import copy
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
from cxrshort.models.classifier import InputSpec
from cxrshort.models.outputs import Task
from cxrshort.registry import load_entry
from cxrshort.training import DISTILLATIONS, OBJECTIVES, checkpointing, recipes
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.data.batches import Batch, Batches
from cxrshort.training.data.folds import Folds
from cxrshort.training.loop import FitConfig, fit
from cxrshort.training.objectives.contract import FoldImages, make_objective
from cxrshort.training.teacher import CoTraining, Teacher

from ..tiny import tiny_dataset

FP32 = Compute("cpu", "fp32", 1)


TAUGHT = {
    **{name: {} for name in DISTILLATIONS},
    "tea, co-trained": {"co_train": True, "warm_up_epochs": 1, "background": "noise"},
    "tea, combined": {"outputs": 0.5, "representations": 0.5},
}
"""Ways to learn from a teacher, and their settings; the method's name comes before the comma."""
CASES: dict[str, dict[str, Any]] = {**{name: {} for name in OBJECTIVES}, "isnet": {"warm_up_epochs": 1}, **TAUGHT}
"""Settings that bring every part of an objective into a run of three epochs."""
WITHOUT_GRADIENT = {"tea": {"network.14.bias"}, "tea, co-trained": {"student.network.14.bias"}}
"""Parameters that learn, but that a loss says nothing of: no map depends on the last bias."""


@pytest.fixture(scope="module", params=list(CASES))
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make_case(method: str) -> Any:
    kind = load_entry({**OBJECTIVES, **DISTILLATIONS}, method.partition(",")[0], kind="method")
    return kind(kind.Settings(**CASES[method]))


@pytest.fixture(scope="module")
def make(method: str, folds: Folds) -> Callable[[], Any]:
    def build_objective() -> Any:
        objective = make_case(method)
        objective.check(groups(folds), Corner())
        return objective

    return build_objective


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Folds:
    data = load_dataset(str(tiny_dataset(tmp_path_factory.mktemp("contract") / "tiny", size=16)))
    return Folds.cut(data, recipes.load_recipe("standard"), replicate=0, explicit_label=False)


def build(folds: Folds, method: str, *, dropout: bool = True) -> torch.nn.Module:
    """Return what the method can teach of a small network; without dropout, two looks at one batch see the same."""
    name = "multitask-unet-small" if method == "multitask" else "small-cnn"
    description = Description("classifier", name, folds.labels, InputSpec(size=16))
    model = factory.build_model(description, seed=1)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) and not dropout:
            module.p = 0.0
    if method not in TAUGHT:
        return model
    objective, teacher = make_case(method), teacher_of(folds)
    objective.start(model, description, teacher)
    return CoTraining(model, copy.deepcopy(teacher.network)) if objective.co_trains else model


def teacher_of(folds: Folds) -> Teacher:
    description = Description("classifier", "small-cnn", folds.labels, InputSpec(size=16))
    return Teacher(factory.build_model(description, seed=2).eval().requires_grad_(False), description)


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
    return next(batches(folds).epoch(0))._replace(teacher=teacher_of(folds).network)


def loss_of(objective: Any, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return a loss whose noise is the same at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        loss: torch.Tensor = objective(model, batch)
    return loss


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
    learning = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    gradients = [gradient for gradient in learning.values() if gradient is not None]
    assert {name for name, gradient in learning.items() if gradient is None} == WITHOUT_GRADIENT.get(method, set())
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)


@pytest.mark.parametrize("epoch", [0, 6])
def test_two_steps_on_one_batch_lower_the_loss(make: Callable[[], Any], method: str, folds: Folds, epoch: int) -> None:
    model, batch, objective = build(folds, method, dropout=False), first(folds), make()
    objective(model, batch)
    batch = batch._replace(epoch=epoch)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    losses = []
    for _ in range(3):
        loss = loss_of(objective, model, batch)
        optimizer.zero_grad()
        loss.backward()
        # Short steps downhill: the slopes of the explanation losses are a thousand times those of cross-entropy.
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.001)
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
            losses.append(loss_of(objective, model, first(folds)._replace(epoch=6)))
    assert losses[1].dtype == torch.float32
    # bf16 holds 8 bits: the network's own rounding, a few per cent of a loss at most.
    torch.testing.assert_close(losses[1], losses[0], rtol=0.05, atol=0.02)


def test_objective_leaves_the_model_as_plain_training_would(make: Callable[[], Any], method: str, folds: Folds) -> None:
    """One forward pass counts once in the running statistics, however the objective looks at the model."""
    plain, model, batch = build(folds, method).train(), build(folds, method).train(), first(folds)
    plain.with_masks(batch.images) if method == "multitask" else plain(batch.images)
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
    teacher = teacher_of(folds) if objective.needs.teacher else None
    images = FoldImages(folds.val.pixels, Corner(), 1, teacher, folds.judge)

    def validate(model: torch.nn.Module) -> dict[str, float]:
        measured = dict(folds.validate(model, FP32))
        return {**measured, **objective.validate(model, images, FP32)} if teacher else measured

    return FitConfig(
        objective,
        recipe,
        FP32,
        validate,
        interrupted=lambda: next(looks) == stop_after,
        teacher=None if teacher is None else teacher.network,
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


@pytest.mark.parametrize("method", TAUGHT)
def test_no_step_and_no_validation_changes_the_teacher(method: str, folds: Folds, tmp_path: Path) -> None:
    fit_config = config(make_case(method), folds)
    network, before = fit_config.teacher, teacher_of(folds).network.state_dict()
    assert network is not None
    fit(build(folds, method), batches(folds), config=fit_config, checkpoint=Checkpoint(path=tmp_path / "c"))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())
    assert not any(module.training for module in network.modules())


@pytest.mark.parametrize("method", TAUGHT)
def test_validation_follows_the_teacher_without_random_draws(method: str, folds: Folds) -> None:
    fit_config, model = config(make_case(method), folds), build(folds, method)
    first_time, again = fit_config.validate(model), fit_config.validate(model)
    assert first_time == again
    assert {"val_loss", "score", "logit_correlation", "teacher_score"} <= set(first_time)
    assert np.isfinite(list(first_time.values())).all()


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
