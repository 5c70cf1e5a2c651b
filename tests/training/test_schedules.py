"""Learning rates against torch's own schedulers."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from cxrshort.training import recipes
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.loop import make_optimizer, set_rates
from cxrshort.training.recipes import SCHEDULES, Recipe
from cxrshort.training.schedules import beta1, rate_factor

RATE = 0.01


def found(recipe: Recipe, epochs: int, losses: list[float] | None = None) -> list[float]:
    history = [{"val_loss": epoch} for epoch in losses or [1.0] * epochs]
    return [
        recipe.learning_rate * rate_factor(recipe, progress=epoch / recipe.epochs, epoch=epoch, history=history[:epoch])
        for epoch in range(epochs)
    ]


def torchs(
    make: Callable[[torch.optim.Optimizer], object], epochs: int, losses: list[float] | None = None
) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], RATE)
    scheduler = make(optimizer)
    rates = []
    for epoch in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(losses[epoch]) if losses else scheduler.step()
    return rates


@pytest.mark.parametrize(("epochs", "step", "factor"), [(30, 5, 0.1), (7, 3, 0.5), (4, 1, 0.9)])
def test_step_equals_torchs(epochs, step, factor):
    recipe = Recipe("r", epochs=epochs, learning_rate=RATE, schedule="step", step_epochs=step, step_factor=factor)
    expected = torchs(lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, step, factor), epochs)
    assert found(recipe, epochs) == pytest.approx(expected)


def test_milestones_equal_torchs():
    recipe = Recipe("r", epochs=9, learning_rate=RATE, schedule="milestones", milestones="2,5,6", step_factor=0.1)
    expected = torchs(lambda optimizer: torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5, 6], 0.1), 9)
    assert found(recipe, 9) == pytest.approx(expected)


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_cosine_equals_torchs(epochs):
    recipe = Recipe("r", epochs=epochs, learning_rate=RATE, schedule="cosine")
    expected = torchs(lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs), epochs)
    assert found(recipe, epochs) == pytest.approx(expected)


@pytest.mark.parametrize("losses", [[5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3], [1.0] * 12, list(range(12, 0, -1))])
def test_plateau_equals_torchs(losses):
    recipe = Recipe("r", epochs=12, learning_rate=RATE, schedule="plateau", step_epochs=2, step_factor=0.5)
    expected = torchs(
        lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2), 12, losses
    )
    assert found(recipe, 12, losses) == pytest.approx(expected)


def test_one_cycle_equals_torchs():
    # torch counts the last step as the end of the cycle: total_steps - 1 intervals.
    steps = 51
    recipe = Recipe("r", epochs=steps - 1, learning_rate=RATE, schedule="one-cycle")
    expected = torchs(
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=RATE,
            total_steps=steps,
            pct_start=0.3 + 0.7 / steps,  # torch's peak lies at pct_start * total_steps - 1
            final_div_factor=1e5 / 25,
            cycle_momentum=False,
        ),
        steps - 1,
    )
    assert found(recipe, steps - 1) == pytest.approx(expected, rel=0.02)  # the peak falls between two steps


def test_beta1_of_one_cycle_equals_torchs():
    steps = 51
    recipe = Recipe("r", epochs=steps - 1, learning_rate=RATE, schedule="one-cycle", optimizer="adamw")
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], RATE)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps, pct_start=0.3 + 0.7 / steps, base_momentum=0.85, max_momentum=0.95
    )
    expected = []
    for _ in range(steps - 1):
        expected.append(optimizer.param_groups[0]["betas"][0])
        optimizer.step()
        scheduler.step()
    assert [beta1(recipe, progress=step / (steps - 1)) for step in range(steps - 1)] == pytest.approx(
        expected, abs=2e-3
    )
    assert min(expected) == pytest.approx(0.85, abs=1e-3)


def test_beta1_stays_elsewhere():
    assert {beta1(Recipe("r", schedule=name), progress=0.3) for name in SCHEDULES if name != "one-cycle"} == {0.9}


def test_step_sets_beta1_of_adam_and_leaves_momentum_of_sgd():
    for name, expected in (("adamw", (0.85, 0.99)), ("adam", (0.85, 0.99)), ("sgd", None)):
        recipe = Recipe("r", epochs=10, schedule="one-cycle", optimizer=name, beta2=0.99)
        optimizer = make_optimizer(nn.Linear(2, 1), recipe)
        set_rates(optimizer, recipe, checkpoint=Checkpoint(epoch=3, step=0), steps=4)
        assert optimizer.param_groups[0].get("betas") == (expected and pytest.approx(expected))
        assert optimizer.param_groups[0].get("momentum", recipe.momentum) == recipe.momentum


def test_degrave_divides_by_ten_every_five_epochs():
    rates = found(recipes.load_recipe("degrave2021"), 30)
    assert [rates[epoch] for epoch in (0, 4, 5, 9, 10, 29)] == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-7])


def test_constant_stays():
    assert found(Recipe("r", schedule="constant", learning_rate=0.2), 5) == [0.2] * 5
