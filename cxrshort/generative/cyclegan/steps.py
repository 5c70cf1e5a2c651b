"""One step of a CycleGAN: the generators first, then the discriminators, which see their pictures through the replay.

Both directions are trained at once. What a generator makes of the other side and of its own are one batch, and so are
the real and the made pictures of a discriminator: the same numbers, since no layer looks across pictures, in fewer and
larger products. Discriminators keep no gradients while the generators learn; the cited code computes and drops them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cxrshort import distributed
from cxrshort.compute import Compute, seeded_generator
from cxrshort.generative.cyclegan.losses import adversarial_loss, mean_difference
from cxrshort.generative.cyclegan.networks import DIRECTIONS, OTHER, Direction, make_networks
from cxrshort.generative.cyclegan.pairs import PairBatch
from cxrshort.generative.cyclegan.recipes import CycleGanRecipe
from cxrshort.generative.cyclegan.replay import ReplayBuffer
from cxrshort.training.averaging import Average

LOSSES = ("generator_to", "generator_from", "cycle", "identity", "discriminator_to", "discriminator_from")
"""Losses of a step, in the order of the tensor that :meth:`Learner.step` returns; without their weights."""
_REPLAY = {"to": 4, "from": 5}
"""Counters of the draws of the replay buffers."""


class Learner:
    """Hold networks, optimisers, replay buffers and average, and take steps.

    Args:
        recipe: every setting.
        seed: of initialisation and replay.
        compute: device, precision and processes.
    """

    def __init__(self, recipe: CycleGanRecipe, *, seed: int, compute: Compute) -> None:
        self.recipe, self.seed, self.compute = recipe, seed, compute
        # Tensor cores multiply channels-last; on a CPU, norms and reflections are up to five times slower on it.
        layout = torch.channels_last if compute.torch_device.type == "cuda" else torch.contiguous_format
        self.generators, self.discriminators = (
            part.to(compute.torch_device, memory_format=layout)  # type: ignore[call-overload]
            for part in make_networks(recipe.sizes, seed=seed)
        )
        self.optimizers = {
            "generators": _adam(self.generators, recipe, recipe.learning_rate),
            "discriminators": _adam(self.discriminators, recipe, recipe.discriminator_rate or recipe.learning_rate),
        }
        self.replay = {direction: ReplayBuffer(recipe.replay) for direction in DIRECTIONS}
        self.average = Average(self.generators, decay=recipe.ema) if recipe.ema else None

    def set_rates(self, epoch: int) -> float:
        """Set the learning rates of an epoch, and return the generators'."""
        factor = rate_factor(self.recipe, epoch)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
        return float(self.optimizers["generators"].param_groups[0]["lr"])

    def step(self, batch: PairBatch, *, number: int) -> Tensor:
        """Do one step of all networks, and return its losses (6,) in the order of `LOSSES`, detached.

        Args:
            batch: this process's share.
            number: of the step in the run, counted from 0.
        """
        made, losses = self._step_generators(batch)
        losses += self._step_discriminators(batch, made)
        if self.average:
            self.average.update(self.generators, step=number)
        return torch.stack(losses)

    def _step_generators(self, batch: PairBatch) -> tuple[dict[Direction, Tensor], list[Tensor]]:
        """Update the generators; return what they made, detached, and their losses."""
        recipe, real, size = self.recipe, batch.pictures, batch.images
        self.discriminators.requires_grad_(False)
        self.optimizers["generators"].zero_grad(set_to_none=True)
        made: dict[Direction, Tensor] = {}
        adversarial = []
        identity = cycle = torch.zeros((), device=real["to"].device)
        with self.compute.autocast():
            for direction in DIRECTIONS:
                made[direction], kept = self._transform(real, direction)
                scores = self.discriminators.toward(direction)(made[direction])
                adversarial.append(adversarial_loss(scores, real=True, loss=recipe.loss) / size)
                if kept is not None:
                    identity = identity + mean_difference(kept, real[direction]) / size
            for direction in DIRECTIONS:
                returned = self.generators.toward(direction)(made[OTHER[direction]])
                cycle = cycle + mean_difference(returned, real[direction]) / size
        total = adversarial[0] + adversarial[1] + recipe.cycle * cycle + recipe.identity * identity
        total.backward()  # type: ignore[no-untyped-call]
        losses = self._apply("generators", self.generators, [*adversarial, cycle, identity])
        return {direction: pictures.detach() for direction, pictures in made.items()}, losses

    def _transform(self, real: dict[Direction, Tensor], direction: Direction) -> tuple[Tensor, Tensor | None]:
        """Return what a generator makes of the other side, and of its own side where that counts."""
        generator, sources = self.generators.toward(direction), real[OTHER[direction]]
        if not self.recipe.identity:
            return generator(sources), None
        pictures: Tensor = generator(torch.cat([sources, real[direction]]))
        made, kept = pictures.split([len(sources), len(real[direction])])  # type: ignore[no-untyped-call]
        return made, kept

    def _step_discriminators(self, batch: PairBatch, made: dict[Direction, Tensor]) -> list[Tensor]:
        """Update the discriminators, and return their losses."""
        recipe, size = self.recipe, batch.images
        self.discriminators.requires_grad_(True)
        self.optimizers["discriminators"].zero_grad(set_to_none=True)
        losses = []
        for direction in DIRECTIONS:
            shown, real = self._replayed(made[direction], batch, direction), batch.pictures[direction]
            with self.compute.autocast():
                scores = self.discriminators.toward(direction)(torch.cat([real, shown]))
            of_real = adversarial_loss(scores[: len(real)], real=True, loss=recipe.loss)
            of_made = adversarial_loss(scores[len(real) :], real=False, loss=recipe.loss)
            losses.append((of_real + of_made) / (2 * size))
        (losses[0] + losses[1]).backward()  # type: ignore[no-untyped-call]
        return self._apply("discriminators", self.discriminators, losses)

    def _replayed(self, made: Tensor, batch: PairBatch, direction: Direction) -> Tensor:
        """Return what a discriminator is shown: this process's share of what the replay gives for the whole step."""
        whole = made.float()
        if self.compute.processes > 1:
            whole = torch.zeros((batch.images, *made.shape[1:]), device=made.device)
            whole[batch.first : batch.first + len(made)] = made.float()
            distributed.all_reduce(whole, self.compute)
        draws = seeded_generator(self.seed, batch.epoch, batch.step, _REPLAY[direction])
        return self.replay[direction].exchange(whole, draws)[batch.first : batch.first + len(made)]

    def _apply(self, name: str, networks: nn.Module, losses: Sequence[Tensor]) -> list[Tensor]:
        """Add gradients and losses up over all processes, and do the optimiser's step."""
        values = torch.stack([loss.detach() for loss in losses])
        if self.compute.processes > 1:
            gradients = [parameter.grad for parameter in networks.parameters() if parameter.grad is not None]
            flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), values])
            distributed.all_reduce(flat, self.compute)
            *parts, values = flat.split([*(gradient.numel() for gradient in gradients), len(values)])  # type: ignore[no-untyped-call]
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))
        self.optimizers[name].step()
        return list(values)

    def state(self) -> dict[str, Any]:
        """Return networks, optimisers, buffers and average, as a checkpoint holds them."""
        networks = nn.ModuleDict({"generators": self.generators, "discriminators": self.discriminators})
        return {
            "model": networks.state_dict(),
            "optimizer": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "objective": {f"replay_{direction}": buffer.state() for direction, buffer in self.replay.items()},
            "average": self.average.weights if self.average else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state` returned."""
        networks = nn.ModuleDict({"generators": self.generators, "discriminators": self.discriminators})
        networks.load_state_dict(state["model"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizer"][name])
        device = self.compute.torch_device
        for direction in DIRECTIONS:
            pictures = state["objective"][f"replay_{direction}"].to(device)
            self.replay[direction] = ReplayBuffer(self.recipe.replay, pictures if pictures.dim() == 4 else None)
        if self.average:
            self.average.restore(state["average"])


def _adam(networks: nn.Module, recipe: CycleGanRecipe, rate: float) -> torch.optim.Adam:
    groups = [{"params": list(networks.parameters()), "peak": rate}]
    return torch.optim.Adam(groups, rate, betas=(recipe.beta1, recipe.beta2), fused=True)


def rate_factor(recipe: CycleGanRecipe, epoch: int) -> float:
    """Return what the learning rates of an epoch are multiplied by: 1, then linearly towards 0.

    The cited code's 1 - max(0, e - d) / (n - d), where the first d of n epochs have the full rate.

    Example:
        >>> recipe = CycleGanRecipe("standard", epochs=4, constant_share=0.5)
        >>> [rate_factor(recipe, epoch) for epoch in range(4)]
        [1.0, 1.0, 1.0, 0.5]
    """
    constant = round(recipe.constant_share * recipe.epochs)
    return 1.0 - max(0, epoch - constant) / max(1, recipe.epochs - constant)
