import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, ResumableError, WorkFailedError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.targets import label_matrix
from cxrshort.training import checkpointing as states
from cxrshort.training import recipes
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.data.batches import Batch, Batches
from cxrshort.training.loop import FitConfig, fit, make_optimizer, take_step
from cxrshort.training.objectives.erm import ERM
from cxrshort.training.recipes import Recipe

from .tiny import tiny_dataset

FP32 = Compute("cpu", "fp32", 1)


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny")))
    targets = label_matrix(data.manifest, ["COVID-19"])
    return Batches(data.pixels, targets, batch_size=8, seed=0, device=torch.device("cpu"))


def build(seed: int = 1) -> Classifier:
    return factory.build_model(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=32)), seed=seed)


def config(*, scores: list[float] | None = None, objective: Any = None, **settings: Any) -> FitConfig:
    """Return a fit over six steps an epoch; ``scores`` are what validation is to find, epoch by epoch."""
    actual = iter(scores or [0.5] * 100)
    values = {"epochs": 3, **settings}
    interrupted = values.pop("interrupted", lambda: False)
    report = values.pop("report", lambda event: None)
    recipe = recipes.load_recipe("standard", overrides=values)
    return FitConfig(objective or ERM(), recipe, FP32, lambda model: {"score": next(actual)}, report, interrupted)


def fresh(path: Path, *, save_seconds: float = 600.0) -> Checkpoint:
    return Checkpoint(path=path / "state.pt", save_seconds=save_seconds)


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_make_optimizer_takes_the_recipes_numbers_and_only_what_learns(name: str, kind: type) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    recipe = Recipe("r", optimizer=name, learning_rate=0.02, weight_decay=0.3, momentum=0.8)
    optimizer = make_optimizer(model, recipe)
    assert type(optimizer) is kind
    group = optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.02, 0.3)
    assert group.get("momentum", 0.8) == 0.8
    assert [parameter.shape for parameter in group["params"]] == [(1, 2), (1,)]


def test_the_whole_head_learns_at_its_own_rate_and_adam_forgets_as_told() -> None:
    description = Description("classifier", "cv19-net", ("Edema",), InputSpec(size=224))
    model = factory.build_model(description)
    optimizer = make_optimizer(model, recipes.load_recipe("cv19-net", overrides={"beta2": 0.99}))
    backbone, head = optimizer.param_groups
    expected = {id(parameter) for parameter in model.network.get_submodule("classifier").parameters()}
    assert len(expected) == 4 and {id(parameter) for parameter in head["params"]} == expected
    assert (head["peak"], head["weight_decay"], backbone["peak"]) == (1e-4, 1e-2, 6e-5)
    assert backbone["betas"] == head["betas"] == (0.9, 0.99)


def test_fit_takes_the_steps_of_a_loop_written_out_by_hand(batches: Batches, tmp_path: Path) -> None:
    settings = {"epochs": 2, "optimizer": "sgd", "learning_rate": 0.1, "schedule": "step", "step_epochs": 1}
    model = build()
    fit(model, batches, config=config(**settings), checkpoint=fresh(tmp_path))

    expected = build().train()
    optimizer = torch.optim.SGD(expected.parameters(), 0.1, momentum=0.9, weight_decay=0.01)
    for epoch, rate in enumerate([0.1, 0.01]):
        optimizer.param_groups[0]["lr"] = rate
        for batch in batches.epoch(epoch):
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(expected(batch.images), batch.targets).backward()
            optimizer.step()
    for name, value in model.state_dict().items():
        # The fused optimiser multiplies and adds in one rounding.
        torch.testing.assert_close(value, expected.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_gradient_is_clipped_to_the_recipes_norm(batches: Batches, tmp_path: Path) -> None:
    batch = next(batches.epoch(0))
    moved = []
    for clip in (0.0, 1e-3):
        plan = config(optimizer="sgd", learning_rate=1.0, weight_decay=0.0, momentum=0.0, clip_norm=clip)
        model = build().train()
        before = torch.cat([parameter.detach().clone().flatten() for parameter in model.parameters()])
        take_step(model, batch, make_optimizer(model, plan.recipe), config=plan)
        moved.append(
            float((torch.cat([parameter.detach().flatten() for parameter in model.parameters()]) - before).norm())
        )
    assert moved[0] > 0.1
    assert moved[1] == pytest.approx(1e-3, rel=1e-2)  # differences of fp32 weights near 1


def test_best_epoch_is_the_first_of_equal_maxima(batches: Batches, tmp_path: Path) -> None:
    """Scores 0.6, 0.8, 0.8, 0.7: the second epoch, as a run of two epochs leaves it."""
    plan = config(scores=[0.6, 0.8, 0.8, 0.7], epochs=4, schedule="constant")
    state = fit(build(), batches, config=plan, checkpoint=fresh(tmp_path))
    model = build()
    fit(model, batches, config=config(epochs=2, schedule="constant"), checkpoint=fresh(tmp_path))
    assert [record["score"] for record in state.history] == [0.6, 0.8, 0.8, 0.7]
    assert all(torch.equal(value, state.best_weights[name]) for name, value in model.state_dict().items())
    assert any(not torch.equal(value, state.best_weights[name]) for name, value in state.model.items())


def test_first_epoch_is_kept_even_where_it_scores_zero(batches: Batches, tmp_path: Path) -> None:
    state = fit(build(), batches, config=config(scores=[0.0], epochs=1), checkpoint=fresh(tmp_path))
    assert state.best_weights


def test_events_tell_every_epoch_and_every_twentieth_step(batches: Batches, tmp_path: Path) -> None:
    single = Batches(batches.pixels, batches.targets, batch_size=1, seed=0, device=batches.device)
    events: list[Mapping[str, Any]] = []
    plan = config(epochs=2, report=events.append)
    fit(build(), single, config=plan, checkpoint=fresh(tmp_path))
    described = [(event["event"], event["epoch"], event.get("step")) for event in events]
    one_epoch = [("step", 20), ("step", 40), ("step", 48), ("epoch", None)]
    assert described == [(kind, epoch, step) for epoch in (1, 2) for kind, step in one_epoch]
    assert [set(event) for event in events[2:4]] == [
        {"event", "epoch", "step", "steps", "epochs", "loss", "images_per_second"},
        {"event", "epoch", "loss", "score", "learning_rate", "seconds"},
    ]
    assert events[2]["loss"] == pytest.approx(events[3]["loss"])


class FailsAt(ERM):
    """Behave as ERM until the given call, then give another loss or raise."""

    def __init__(self, call: int, consequence: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.left = call
        self.consequence = consequence

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        self.left -= 1
        loss = super().forward(model, batch)
        return self.consequence(loss) if self.left == 0 else loss


def stopped(batches: Batches, plan: FitConfig, path: Path, *, save_seconds: float = 600.0) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        fit(build(), batches, config=plan, checkpoint=fresh(path, save_seconds=save_seconds))
    return caught.value


@pytest.mark.parametrize(("value", "shown"), [(math.nan, "nan"), (math.inf, "inf")])
def test_loss_that_is_no_number_stops_with_the_step_and_the_last_good_state_kept(
    batches: Batches, tmp_path: Path, value: float, shown: str
) -> None:
    """Step 9 is the third of the second epoch; the state of the first epoch is what remains."""
    error = stopped(batches, config(objective=FailsAt(9, lambda loss: loss * value)), tmp_path)
    assert isinstance(error, WorkFailedError)
    kept = tmp_path / "state.pt"
    assert error.message == f"the loss is {shown} in epoch 2, step 3; the last good state is kept in '{kept}'"
    assert error.hint == "train again with --force and a lower --learning-rate, or with --precision fp32"
    state = states.load_checkpoint(kept, settings={})
    assert (state.epoch, state.step) == (1, 0)
    assert all(torch.isfinite(value).all() for value in state.model.values())


def test_loss_that_is_no_number_in_the_first_epoch_says_that_nothing_was_saved(
    batches: Batches, tmp_path: Path
) -> None:
    error = stopped(batches, config(objective=FailsAt(2, lambda loss: loss * math.nan)), tmp_path)
    assert error.message == "the loss is nan in epoch 1, step 2; nothing was saved before it"
    assert not (tmp_path / "state.pt").exists()


def test_step_of_a_bad_loss_is_right_after_the_first_look(batches: Batches, tmp_path: Path) -> None:
    single = Batches(batches.pixels, batches.targets, batch_size=1, seed=0, device=batches.device)
    error = stopped(single, config(objective=FailsAt(31, lambda loss: loss * math.nan)), tmp_path)
    assert error.message == "the loss is nan in epoch 1, step 31; nothing was saved before it"


def test_out_of_memory_proposes_half_the_batch(batches: Batches, tmp_path: Path) -> None:
    def exhausted(loss: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    error = stopped(batches, config(objective=FailsAt(3, exhausted)), tmp_path)
    assert isinstance(error, WorkFailedError)
    assert error.message == "cpu has no memory left for a batch of 8 images"
    assert error.hint == "try --batch-size 4"


def test_out_of_memory_in_validation_is_said_with_the_batch_of_scoring(batches: Batches, tmp_path: Path) -> None:
    def hungry(model: nn.Module) -> dict[str, float]:
        del model
        return {"score": float(torch.empty(10**16).sum())}

    error = stopped(batches, replace(config(), validate=hungry), tmp_path)
    assert isinstance(error, WorkFailedError)
    assert error.message == f"cpu has no memory left for a batch of {SCORING_BATCH} images"
    assert error.hint == "free the memory that other programs use, or build the dataset with a smaller --size"


def test_weights_that_blow_up_after_the_last_look_are_not_saved(batches: Batches, tmp_path: Path) -> None:
    """One step an epoch and an endless learning rate: the loss is finite, the weights after it are not."""
    whole = Batches(batches.pixels, batches.targets, batch_size=48, seed=0, device=batches.device)
    plan = config(optimizer="sgd", learning_rate=1e38, weight_decay=1e38, schedule="constant")
    error = stopped(whole, plan, tmp_path)
    assert isinstance(error, WorkFailedError)
    assert error.message == "a weight is no longer a number in epoch 1, step 1; nothing was saved before it"
    assert error.hint == "train again with --force and a lower --learning-rate, or with --precision fp32"


@pytest.mark.parametrize(("look", "epoch", "step"), [(1, 1, 1), (6, 1, 6), (9, 2, 3)])
def test_interruption_saves_the_step_and_says_where(
    batches: Batches, tmp_path: Path, look: int, epoch: int, step: int
) -> None:
    looks = iter(range(1, 100))
    error = stopped(batches, config(interrupted=lambda: next(looks) == look), tmp_path)
    assert isinstance(error, ResumableError)
    assert error.message == f"interrupted in epoch {epoch} after step {step}; the state is saved"
    assert error.hint == "the same command with --resume continues"
    state = states.load_checkpoint(tmp_path / "state.pt", settings={})
    assert (state.epoch, state.step) == (epoch - 1, step)


def test_state_is_saved_within_an_epoch_when_it_takes_long(batches: Batches, tmp_path: Path) -> None:
    """With no time allowed between two saves, each look saves: after step 40 of 48, then the loss goes bad."""
    single = Batches(batches.pixels, batches.targets, batch_size=1, seed=0, device=batches.device)
    plan = config(objective=FailsAt(45, lambda loss: loss * math.nan))
    error = stopped(single, plan, tmp_path, save_seconds=-1.0)
    assert error.message.startswith("the loss is nan in epoch 1, step 45; the last good state is kept in ")
    assert states.load_checkpoint(tmp_path / "state.pt", settings={}).step == 40
