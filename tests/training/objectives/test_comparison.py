"""Comparisons of a whole step, worked on in passes; shares of processes are tested under torchrun."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrshort.compute import Compute
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.comparison import Comparison
from cxrshort.training.objectives.contract import make_objective

from .by_hand import NAN, batch

TARGETS = [[1.0, 0.0], [0.0, NAN], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [NAN, 1.0]]
GROUPS = [0, 1, 0, 1, 0, 1, 0]


def noisy() -> nn.Sequential:
    """Return a network with running statistics and random draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 2)
        )


def objective_of(name: str) -> Any:
    objective = make_objective(name, "" if name == "group-dro" else "warm_up_epochs=0", task=Task())
    objective.check(np.array(GROUPS), None)
    return objective


def with_every_graph(objective: Any, model: nn.Module) -> Tensor:
    """Keep the graphs of all passes, as a machine with memory enough can."""
    samples = batch(TARGETS, groups=GROUPS)
    logits = torch.cat([objective.views(model, part) for part in samples.split(3)])
    loss: Tensor = objective.step_loss(logits, samples.targets, samples.groups, epoch=samples.epoch)
    loss.backward()
    return loss.detach()


@pytest.mark.parametrize("name", ["irm", "pgi", "group-dro"])
def test_passes_give_the_gradients_of_one_graph_where_draws_and_statistics_matter(name: str) -> None:
    assert isinstance(objective_of(name), Comparison)
    models, losses, objectives, drawn = [noisy(), noisy()], [], [objective_of(name), objective_of(name)], []
    for learn in (
        lambda: with_every_graph(objectives[0], models[0]),
        lambda: objectives[1].backward(
            models[1], batch(TARGETS, groups=GROUPS), accumulation_steps=3, compute=Compute("cpu", "fp32", 1)
        ),
    ):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(11)
            losses.append(learn())
            drawn.append(torch.rand(1))
    torch.testing.assert_close(losses[1], losses[0])
    assert torch.equal(drawn[0], drawn[1])
    for (key, expected), actual in zip(models[0].state_dict().items(), models[1].state_dict().values(), strict=True):
        assert torch.equal(actual, expected), key
    for expected, actual in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(actual.grad, expected.grad)
    if name == "group-dro":
        torch.testing.assert_close(objectives[1].weights, objectives[0].weights)


def test_objectives_that_are_means_are_no_comparisons() -> None:
    for name in ("erm", "rrr", "gain", "isnet"):
        assert not isinstance(make_objective(name, "", task=Task()), Comparison)
