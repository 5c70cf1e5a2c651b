"""The training loop of a CycleGAN, which has two optimisers and no validation.

Read it top to bottom: an epoch is steps; every so many steps there is a look at losses and sample images. Order and
draws are functions of (seed, epoch, step), and the checkpoint holds the rest: networks, optimisers, replay buffers,
average and the losses since the last look. A resumed run therefore gives the bytes of an unbroken one.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cxrshort import distributed, runs
from cxrshort.compute import enough_memory
from cxrshort.errors import ResumableError, WorkFailedError
from cxrshort.forecasts import significant
from cxrshort.generative.cyclegan.pairs import PairBatches
from cxrshort.generative.cyclegan.steps import LOSSES, Learner
from cxrshort.training.checkpointing import Checkpoint

Report = Callable[[Mapping[str, Any]], None]
_STEPS_PER_CHECK = 20
"""Steps between two looks at whether the losses are numbers; each look waits for a GPU to finish."""
_SUMS = "loss_sums"
"""Entry of a checkpoint that holds the sums of the losses since the last look, and the number of steps."""


@dataclass(frozen=True)
class LoopConfig:
    """Configure a run.

    Args:
        look: draws sample images and returns measures of them, for the number of the step; the first process looks.
        look_every: steps between two looks.
        report: takes one event; epochs and steps of events count from 1.
        interrupted: says whether a signal asked to stop; looked at between steps.
    """

    look: Callable[[int], Mapping[str, float]]
    look_every: int
    report: Report = runs.ignore_event
    interrupted: Callable[[], bool] = lambda: False


def fit(learner: Learner, batches: PairBatches, *, config: LoopConfig, checkpoint: Checkpoint) -> Checkpoint:
    """Train until the recipe's last epoch.

    Args:
        learner: networks and optimisers; left at the last step's state.
        batches: both sides.
        config: how the run proceeds.
        checkpoint: where to begin, fresh or loaded, and where it is saved; ``history`` has a record for each look.

    Raises:
        ResumableError: a signal asked to stop; the state is saved.
        WorkFailedError: a loss is no longer a number, or the device has no memory left; the last good state is kept.
    """
    if checkpoint.model:
        learner.restore(vars(checkpoint))
    sums = checkpoint.objective.get(_SUMS, torch.zeros(len(LOSSES) + 1, dtype=torch.float64))
    run = _Running(learner, batches, config, checkpoint, sums)
    while checkpoint.epoch < learner.recipe.epochs:
        learner.set_rates(checkpoint.epoch)
        run.train_epoch()
        checkpoint.epoch, checkpoint.step = checkpoint.epoch + 1, 0
    run.save()
    return checkpoint


class _Running:
    """Hold a run while it goes on.

    Args:
        learner: networks and optimisers.
        batches: both sides.
        config: how the run proceeds.
        checkpoint: where it stands.
        sums: of the losses since the last look, and how many steps those are, (7,).
    """

    def __init__(
        self, learner: Learner, batches: PairBatches, config: LoopConfig, checkpoint: Checkpoint, sums: Tensor
    ) -> None:
        self.learner, self.batches, self.config, self.checkpoint, self.sums = learner, batches, config, checkpoint, sums
        self.saved_at = self.checked_at = time.monotonic()
        self.unchecked: list[Tensor] = []

    @property
    def number(self) -> int:
        """Return how many steps of the run are done."""
        return self.checkpoint.epoch * len(self.batches) + self.checkpoint.step

    def train_epoch(self) -> None:
        checkpoint, compute = self.checkpoint, self.learner.compute
        size = self.batches.recipe.batch_size
        hint = (
            f"try --batch-size {size // 2}" if size > 1 else "build the dataset with a smaller --size, or lower --width"
        )
        for batch in self.batches.epoch(checkpoint.epoch, first_step=checkpoint.step):
            with enough_memory(compute, images=size, hint=hint):
                self.unchecked.append(self.learner.step(batch, number=self.number))
            checkpoint.step += 1
            last = checkpoint.step == len(self.batches)
            stop = self._on_any_rank(self.config.interrupted())
            look = self._is_look()
            if not (stop or look or last or len(self.unchecked) == _STEPS_PER_CHECK):
                continue
            self._check()
            if look:
                self._look()
            if stop or self._on_any_rank(time.monotonic() - self.saved_at > checkpoint.save_seconds):
                self.save()
            if stop:
                raise ResumableError(
                    f"interrupted in epoch {checkpoint.epoch + 1} after step {checkpoint.step}; the state is saved",
                    "the same command with --resume continues",
                )

    def _is_look(self) -> bool:
        """Return whether there is a look after this step; the last one takes in a rest of less than half a distance.

        Losses of a few steps would end the curves in a leap that is chance.
        """
        rest = self.learner.recipe.epochs * len(self.batches) - self.number
        return rest == 0 or self.number % self.config.look_every == 0 and 2 * rest >= self.config.look_every

    def _on_any_rank(self, flag: bool) -> bool:
        """Return whether one process has a flag, so that all stop, or save, after the same step."""
        return bool(distributed.any_rank(torch.tensor([flag]), self.learner.compute))

    def _check(self) -> None:
        """Add the losses since the last check up, step by step, so that the sums do not depend on when it is done.

        Raises:
            WorkFailedError: one of them is not a number.
        """
        for losses in torch.stack(self.unchecked).double().cpu():
            if not bool(torch.isfinite(losses).all()):
                raise self._diverged(losses)
            self.sums[:-1] += losses
            self.sums[-1] += 1
        now, size = time.monotonic(), self.batches.recipe.batch_size
        rate = 2 * size * len(self.unchecked) / max(now - self.checked_at, 1e-9)
        checkpoint, means = self.checkpoint, self.sums[:-1] / self.sums[-1]
        self.config.report(
            {
                "event": "step",
                "epoch": checkpoint.epoch + 1,
                "step": checkpoint.step,
                "steps": len(self.batches),
                "epochs": self.learner.recipe.epochs,
                "loss": float(means[LOSSES.index("cycle")]),
                "images_per_second": significant(rate),
            }
        )
        self.unchecked, self.checked_at = [], now

    def _look(self) -> None:
        """Take the mean losses since the last look and measures of sample images into the history."""
        means = (self.sums[:-1] / self.sums[-1]).tolist()
        self.sums.zero_()
        checkpoint = self.checkpoint
        record: dict[str, Any] = {
            "number": self.number,
            "epoch": checkpoint.epoch + 1,
            "step": checkpoint.step,
            "learning_rate": float(self.learner.optimizers["generators"].param_groups[0]["lr"]),
            **dict(zip(LOSSES, means, strict=True)),
        }
        if self.learner.compute.rank == 0:
            record |= self.config.look(self.number)
        checkpoint.history.append(record)
        self.config.report({"event": "look", **record})

    def save(self) -> None:
        """Write the checkpoint, by the first process."""
        checkpoint = self.checkpoint
        for name, value in self.learner.state().items():
            setattr(checkpoint, name, value)
        checkpoint.objective[_SUMS] = self.sums
        distributed.on_first_rank(checkpoint.save, self.learner.compute)
        self.saved_at = time.monotonic()

    def _diverged(self, losses: Tensor) -> WorkFailedError:
        name = LOSSES[int((~torch.isfinite(losses)).int().argmax())]
        path, position = self.checkpoint.path, f"epoch {self.checkpoint.epoch + 1}, step {self.checkpoint.step}"
        kept = f"the last good state is kept in '{path}'" if path.is_file() else "nothing was saved before it"
        return WorkFailedError(
            f"the loss '{name}' is no number by {position}; {kept}",
            "train again with --force and a lower --learning-rate, or with --precision fp32",
        )
