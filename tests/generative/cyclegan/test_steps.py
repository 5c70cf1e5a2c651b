"""Steps of a CycleGAN, against a plain implementation as published: one network after the other, nothing joined."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from cxrshort.generative.cyclegan.networks import make_networks
from cxrshort.generative.cyclegan.pairs import PairBatch
from cxrshort.generative.cyclegan.recipes import CycleGanRecipe
from cxrshort.generative.cyclegan.steps import LOSSES, Learner, rate_factor

from .small import CPU, batches_of, small_recipe


def batch(size: int = 3, *, step: int = 0) -> PairBatch:
    """Return a batch of noise."""
    draw = torch.Generator().manual_seed(step)
    pictures = {side: torch.rand(size, 1, 32, 32, generator=draw) * 2 - 1 for side in ("from", "to")}
    return PairBatch(pictures, 0, step, 0, size)


def target_loss(scores: torch.Tensor, real: bool, loss: str) -> torch.Tensor:
    """Return the published loss of a batch: the mean over its images."""
    target = torch.full_like(scores, float(real))
    if loss == "log":
        return functional.binary_cross_entropy(torch.sigmoid(scores), target)
    return functional.mse_loss(scores, target)


def plain_step(
    recipe: CycleGanRecipe, pictures: dict[str, torch.Tensor]
) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Do the first step as the cited code does, without replay; return the losses and the weights."""
    generators, discriminators = make_networks(recipe.sizes, seed=0)
    optimizers = [
        torch.optim.Adam(part.parameters(), recipe.learning_rate, betas=(0.5, 0.999))
        for part in (generators, discriminators.toward_from, discriminators.toward_to)
    ]
    to, back = generators.toward_to, generators.toward_from
    real_from, real_to = pictures["from"], pictures["to"]
    identity = functional.l1_loss(to(real_to), real_to) + functional.l1_loss(back(real_from), real_from)
    fake_to, fake_from = to(real_from), back(real_to)
    fool_to = target_loss(discriminators.toward_to(fake_to), True, recipe.loss)
    fool_from = target_loss(discriminators.toward_from(fake_from), True, recipe.loss)
    cycle = functional.l1_loss(back(fake_to), real_from) + functional.l1_loss(to(fake_from), real_to)
    (fool_to + fool_from + recipe.cycle * cycle + recipe.identity * identity).backward()
    optimizers[0].step()
    judged = []
    for discriminator, real, fake, optimizer in (
        (discriminators.toward_from, real_from, fake_from, optimizers[1]),
        (discriminators.toward_to, real_to, fake_to, optimizers[2]),
    ):
        optimizer.zero_grad()
        loss = 0.5 * (
            target_loss(discriminator(real), True, recipe.loss)
            + target_loss(discriminator(fake.detach()), False, recipe.loss)
        )
        loss.backward()
        optimizer.step()
        judged.append(float(loss.detach()))
    values = [float(value.detach()) for value in (fool_to, fool_from, cycle, identity)]
    whole = nn.ModuleDict({"generators": generators, "discriminators": discriminators})
    return [*values, judged[1], judged[0]], whole.state_dict()


@pytest.mark.parametrize("loss", ["lsgan", "log"])
def test_step_is_that_of_the_published_code(loss: str) -> None:
    recipe, pictures = small_recipe(loss=loss, cycle=3.0, identity=2.0), batch()
    learner = Learner(recipe, seed=0, compute=CPU)
    losses = learner.step(pictures, number=0)
    expected, weights = plain_step(recipe, pictures.pictures)
    torch.testing.assert_close(losses, torch.tensor(expected), rtol=1e-5, atol=1e-6)
    # Adam's first step is the rate times a sign, also where a gradient is nothing but rounding, as that of a bias
    # before a norm: weights are compared, all but the few of them whose gradient is.
    for name, value in learner.state()["model"].items():
        if value.dim() > 1:
            assert float(((value - weights[name]).abs() < 1e-6).float().mean()) > 0.97, name


def test_without_identity_nothing_of_it_is_computed() -> None:
    learner = Learner(small_recipe(identity=0.0), seed=0, compute=CPU)
    losses = dict(zip(LOSSES, learner.step(batch(), number=0).tolist(), strict=True))
    assert losses["identity"] == 0 and losses["cycle"] > 0


def test_discriminators_see_old_pictures_once_the_buffer_is_full() -> None:
    learner = Learner(small_recipe(replay=2), seed=0, compute=CPU)
    for step in range(4):
        learner.step(batch(step=step), number=step)
    assert [len(buffer.pictures) for buffer in learner.replay.values()] == [2, 2]


def test_average_follows_the_generators() -> None:
    learner = Learner(small_recipe(ema=0.5), seed=0, compute=CPU)
    learner.step(batch(), number=0)
    name = "toward_to.1.weight"
    start = make_networks(learner.recipe.sizes, seed=0)[0].state_dict()[name]
    now = learner.generators.state_dict()[name]
    assert learner.average is not None
    torch.testing.assert_close(learner.average.weights[name], 0.1 * start + 0.9 * now)  # (1 + 0) / (10 + 0)


def test_learner_goes_on_from_its_state() -> None:
    whole = Learner(small_recipe(), seed=0, compute=CPU)
    whole.step(batch(), number=0)
    state = copy.deepcopy(whole.state())
    again = Learner(small_recipe(), seed=5, compute=CPU)
    again.restore(state)
    first, second = (learner.step(batch(step=1), number=1) for learner in (again, whole))
    assert torch.equal(first, second)
    for name, value in whole.state()["model"].items():
        assert torch.equal(value, again.state()["model"][name])


def test_learning_rates_fall_to_nothing_in_the_second_half() -> None:
    recipe = small_recipe(epochs=200)
    assert [rate_factor(recipe, epoch) for epoch in (0, 99, 100, 150, 199)] == [1, 1, 1, 0.5, pytest.approx(0.01)]
    assert rate_factor(small_recipe(epochs=2, constant_share=1.0), 1) == 1
    learner = Learner(small_recipe(epochs=4, discriminator_rate=1e-3), seed=0, compute=CPU)
    assert learner.set_rates(3) == pytest.approx(1e-4)
    assert learner.optimizers["discriminators"].param_groups[0]["lr"] == pytest.approx(5e-4)


def test_generators_learn_to_return_what_they_are_given(tmp_path: Path) -> None:
    """The difference there and back falls within 30 steps; not far, since most of the tiny images is noise."""
    batches = batches_of(tmp_path, learning_rate=5e-3)
    learner = Learner(batches.recipe, seed=0, compute=CPU)
    losses = []
    for epoch in range(10):
        losses += [learner.step(pictures, number=len(losses)) for pictures in batches.epoch(epoch)]
    cycle = [float(values[LOSSES.index("cycle")]) for values in losses]
    assert sum(cycle[-3:]) < 0.95 * sum(cycle[:3])
