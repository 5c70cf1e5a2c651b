"""Training rates of a CycleGAN, as ratios: ``pytest --benchmark-only tests/benchmarks/test_cyclegan.py``.

What is compared is measured in one run, in turns. On a CPU with a width of 16 (a step of the published width of 64
takes half a minute on one core), in seconds of the processor, so that a neighbour on the machine costs nothing; on a
GPU with a width of 64, in seconds of the clock.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.compute import Compute, choose_compute
from cxrshort.dataset import IMAGES, Dataset
from cxrshort.generative.cyclegan.losses import mean_difference
from cxrshort.generative.cyclegan.networks import Pair, Sizes, make_networks
from cxrshort.generative.cyclegan.pairs import PairBatches
from cxrshort.generative.cyclegan.recipes import load_recipe
from cxrshort.generative.cyclegan.sides import Sides
from cxrshort.generative.cyclegan.steps import Learner
from cxrshort.images.cache import create_cache

from .turns import in_turns

COMPUTE = choose_compute("auto")
ON_GPU = COMPUTE.torch_device.type == "cuda"
WIDTH, STEPS = (64, 10) if ON_GPU else (16, 2)
RECIPE = load_recipe("standard", overrides={"width": WIDTH, "discriminator_width": WIDTH, "batch_size": 1})


def seconds_of(work: Callable[[], None]) -> float:
    """Return what a work takes: of the processor, or of the clock where a GPU does it."""
    if ON_GPU:
        torch.cuda.synchronize()
    clock = time.perf_counter if ON_GPU else time.process_time
    started = clock()
    work()
    if ON_GPU:
        torch.cuda.synchronize()
    return clock() - started


def batches_of(folder: Path, size: int) -> PairBatches:
    """Return batches of noise, from a cache on disk."""
    cache = create_cache(folder / IMAGES, (2 * STEPS, size, size))
    cache[:] = np.random.default_rng(0).integers(0, 256, cache.shape, dtype=np.uint8)
    manifest = pd.DataFrame({"image_id": "", "cache": str(folder), "cache_row": range(2 * STEPS)})
    rows = {"from": np.arange(STEPS), "to": np.arange(STEPS, 2 * STEPS)}
    sides = Sides(Dataset("noise", manifest), rows, {"from": STEPS, "to": STEPS})
    return PairBatches(sides, RECIPE, 0, COMPUTE)


def steps_of(learner: Learner, batches: PairBatches) -> None:
    for number, batch in enumerate(batches.epoch(0)):
        learner.step(batch, number=number)


def bare_steps(learner: Learner, pictures: dict[str, Tensor]) -> None:
    """Pass the same pictures through the same networks, forward and backward: no data, optimiser, replay or average."""
    to, back = learner.generators.toward_to, learner.generators.toward_from
    for _ in range(STEPS):
        learner.discriminators.requires_grad_(False)
        with COMPUTE.autocast():
            made_to, kept_to = to(torch.cat([pictures["from"], pictures["to"]])).split(1)
            made_from, kept_from = back(torch.cat([pictures["to"], pictures["from"]])).split(1)
            scores = learner.discriminators.toward_to(made_to) + learner.discriminators.toward_from(made_from)
            returned = (back(made_to), to(made_from))
        loss = (scores.float() - 1).square().sum()
        for picture, side in zip((*returned, kept_from, kept_to), ("from", "to", "from", "to"), strict=True):
            loss = loss + mean_difference(picture, pictures[side])
        loss.backward()
        learner.discriminators.requires_grad_(True)
        for side, made in (("to", made_to), ("from", made_from)):
            with COMPUTE.autocast():
                scores = learner.discriminators.toward(side)(torch.cat([pictures[side], made.detach()]))  # type: ignore[arg-type]
            scores.float().square().sum().backward()
        for parameter in (*learner.generators.parameters(), *learner.discriminators.parameters()):
            parameter.grad = None


class TorchNorm(nn.Module):
    """Normalise by torch's instance norm."""

    def forward(self, maps: Tensor) -> Tensor:
        return functional.instance_norm(maps)


def plain_networks(sizes: Sizes) -> tuple[Pair, Pair]:
    """Return the networks with torch's own instance norm, in contiguous memory."""
    pairs = make_networks(sizes, seed=0)
    for network in pairs:
        for part in network.modules():
            for name, child in list(part.named_children()):
                if type(child).__name__ == "InstanceNorm":
                    setattr(part, name, TorchNorm())
    return tuple(network.to(COMPUTE.torch_device) for network in pairs)  # type: ignore[return-value]


def plain_step(
    generators: Pair, discriminators: Pair, optimizers: list[torch.optim.Adam], pictures: dict[str, Tensor]
) -> None:
    """Do a step as the cited code does: every picture by itself, in fp32, gradients of discriminators included."""
    to, back, real_from, real_to = generators.toward_to, generators.toward_from, pictures["from"], pictures["to"]
    optimizers[0].zero_grad()
    loss = 5 * (functional.l1_loss(to(real_to), real_to) + functional.l1_loss(back(real_from), real_from))
    fake_to, fake_from = to(real_from), back(real_to)
    loss = loss + (discriminators.toward_to(fake_to) - 1).square().mean()
    loss = loss + (discriminators.toward_from(fake_from) - 1).square().mean()
    cycle = functional.l1_loss(back(fake_to), real_from) + functional.l1_loss(to(fake_from), real_to)
    (loss + 10 * cycle).backward()
    optimizers[0].step()
    for discriminator, optimizer, real, fake in (
        (discriminators.toward_from, optimizers[1], real_from, fake_from),
        (discriminators.toward_to, optimizers[2], real_to, fake_to),
    ):
        optimizer.zero_grad()
        judged = (discriminator(real) - 1).square().mean() + discriminator(fake.detach()).square().mean()
        (0.5 * judged).backward()
        optimizer.step()


def tell(benchmark, capsys, title: str, ratio: float, images_per_second: float) -> None:
    benchmark.extra_info[title] = round(ratio, 3)
    text = f"{title}: {ratio:.3f} ({images_per_second:.3g} images/s, width {WIDTH}, {COMPUTE.precision})"
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")


@pytest.mark.parametrize("size", [128, 256])
def test_step_against_the_bare_networks(benchmark, capsys, tmp_path, size):
    learner, batches = Learner(RECIPE, seed=0, compute=COMPUTE), batches_of(tmp_path, size)
    pictures = next(iter(batches.epoch(0))).pictures
    ours, bare = in_turns(
        lambda: seconds_of(lambda: steps_of(learner, batches)),
        lambda: seconds_of(lambda: bare_steps(learner, pictures)),
    )
    benchmark.pedantic(lambda: steps_of(learner, batches), rounds=1)
    tell(benchmark, capsys, f"images/s at {size} px, step / bare networks", bare / ours, 2 * STEPS / ours)


@pytest.mark.parametrize("size", [128, 256])
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_step_against_a_plain_implementation(benchmark, capsys, tmp_path, size, precision):
    compute = COMPUTE if precision == "auto" else Compute(COMPUTE.device, "fp32", COMPUTE.threads)
    learner, batches = Learner(RECIPE, seed=0, compute=compute), batches_of(tmp_path, size)
    pictures = {side: picture.contiguous() for side, picture in next(iter(batches.epoch(0))).pictures.items()}
    generators, discriminators = plain_networks(RECIPE.sizes)
    optimizers = [
        torch.optim.Adam(part.parameters(), 2e-4, betas=(0.5, 0.999))
        for part in (generators, discriminators.toward_from, discriminators.toward_to)
    ]

    def plain() -> None:
        for _ in range(STEPS):
            plain_step(generators, discriminators, optimizers, pictures)

    ours, theirs = in_turns(lambda: seconds_of(lambda: steps_of(learner, batches)), lambda: seconds_of(plain))
    benchmark.pedantic(lambda: steps_of(learner, batches), rounds=1)
    title = f"images/s at {size} px, step ({compute.precision}) / plain fp32 contiguous implementation"
    tell(benchmark, capsys, title, theirs / ours, 2 * STEPS / ours)
