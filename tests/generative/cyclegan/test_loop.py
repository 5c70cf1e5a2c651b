"""The training loop: looks, interruptions, resuming to the same numbers, losses that are none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from cxrshort.errors import ResumableError, WorkFailedError
from cxrshort.generative.cyclegan.loop import LoopConfig, fit
from cxrshort.generative.cyclegan.steps import Learner
from cxrshort.training.checkpointing import Checkpoint, load_checkpoint

from .small import CPU, batches_of

NOTHING = {"change_to": 1.0}


def run(
    folder: Path, *, config: LoopConfig, checkpoint: Checkpoint, **overrides: Any
) -> tuple[Checkpoint, dict[str, torch.Tensor]]:
    """Train on the tiny dataset of a folder; 3 steps make an epoch."""
    batches = batches_of(folder, **overrides)
    learner = Learner(batches.recipe, seed=0, compute=CPU)
    checkpoint = fit(learner, batches, config=config, checkpoint=checkpoint)
    return checkpoint, {name: value.clone() for name, value in learner.state()["model"].items()}


def test_looks_come_every_so_many_steps_and_at_the_end(tmp_path: Path) -> None:
    numbers: list[int] = []
    events: list[Mapping[str, Any]] = []

    def look(number: int) -> Mapping[str, float]:
        numbers.append(number)
        return NOTHING

    config = LoopConfig(look, 4, report=events.append)
    checkpoint, _ = run(tmp_path, config=config, checkpoint=Checkpoint(tmp_path / "state"))
    assert numbers == [4, 6]
    assert [(record["number"], record["epoch"], record["step"]) for record in checkpoint.history] == [
        (4, 2, 1),
        (6, 2, 3),
    ]
    assert checkpoint.history[0]["learning_rate"] == 2e-4 and checkpoint.history[0]["change_to"] == 1.0
    shown = [event for event in events if event["event"] == "look"]
    assert shown == [{"event": "look", **record} for record in checkpoint.history]
    assert [(event["epoch"], event["step"]) for event in events if event["event"] == "step"] == [(1, 3), (2, 1), (2, 3)]


@pytest.mark.parametrize(("every", "expected"), [(1, [1, 2, 3, 4, 5, 6]), (4, [4, 6]), (5, [6]), (9, [6])])
def test_last_look_takes_in_a_short_rest(tmp_path: Path, every: int, expected: list[int]) -> None:
    config = LoopConfig(lambda number: NOTHING, every)
    checkpoint, _ = run(tmp_path, config=config, checkpoint=Checkpoint(tmp_path / "state"))
    assert [record["number"] for record in checkpoint.history] == expected


def test_means_are_of_the_steps_since_the_last_look(tmp_path: Path) -> None:
    whole, _ = run(tmp_path / "a", config=LoopConfig(lambda number: NOTHING, 6), checkpoint=Checkpoint(tmp_path / "1"))
    every, _ = run(tmp_path / "b", config=LoopConfig(lambda number: NOTHING, 1), checkpoint=Checkpoint(tmp_path / "2"))
    assert len(every.history) == 6 and len(whole.history) == 1
    mean = sum(record["cycle"] for record in every.history) / 6
    assert whole.history[0]["cycle"] == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize("stop_at", [1, 3, 4])
def test_interrupted_run_resumes_to_the_same_numbers(tmp_path: Path, stop_at: int) -> None:
    options = {"replay": 2, "flip": True}
    unbroken, expected = run(
        tmp_path / "a", config=LoopConfig(lambda number: NOTHING, 5), checkpoint=Checkpoint(tmp_path / "1"), **options
    )
    calls: list[int] = []

    def interrupted() -> bool:
        calls.append(1)
        return len(calls) == stop_at

    config = LoopConfig(lambda number: NOTHING, 5, interrupted=interrupted)
    path = tmp_path / "2"
    with pytest.raises(ResumableError) as caught:
        run(tmp_path / "b", config=config, checkpoint=Checkpoint(path), **options)
    epoch, step = divmod(stop_at - 1, 3)
    assert caught.value.message == f"interrupted in epoch {epoch + 1} after step {step + 1}; the state is saved"
    again, weights = run(
        tmp_path / "b",
        config=LoopConfig(lambda number: NOTHING, 5),
        checkpoint=load_checkpoint(path, settings={}),
        **options,
    )
    assert again.history == unbroken.history
    assert all(torch.equal(weights[name], value) for name, value in expected.items())
    for name, value in unbroken.objective.items():
        assert torch.equal(again.objective[name], value)


def test_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    batches = batches_of(tmp_path)
    learner = Learner(batches.recipe, seed=0, compute=CPU)
    with torch.no_grad():
        next(learner.generators.toward_to.parameters()).fill_(float("nan"))
    with pytest.raises(WorkFailedError) as caught:
        fit(learner, batches, config=LoopConfig(lambda number: NOTHING, 5), checkpoint=Checkpoint(tmp_path / "state"))
    assert caught.value.message == (
        "the loss 'generator_to' is no number by epoch 1, step 3; nothing was saved before it"
    )
