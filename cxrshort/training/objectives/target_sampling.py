"""Which output of each image an objective explains; the draw is a function of (seed, epoch, step)."""

from typing import NamedTuple

import torch
from torch import Tensor

from cxrshort.compute import seeded_generator
from cxrshort.models.outputs import Task
from cxrshort.training.data.batches import Batch
from cxrshort.training.task import batch_targets


class TargetSample(NamedTuple):
    """Hold one sampled target per image and its true class.

    Args:
        labels: (N,) int64, the label that was sampled; 0 for exclusive classes.
        classes: (N,) int64, the true class of that label.
        outputs: (N,) int64, the output to explain.
        signs: (N,), -1 where the evidence against that output is explained.
        has_target: (N,), 1 where the image has a target, else 0.
    """

    labels: Tensor
    classes: Tensor
    outputs: Tensor
    signs: Tensor
    has_target: Tensor

    def log_probability(self, task: Task, logits: Tensor) -> Tensor:
        """Return the log-probability of each image's true class, (N,)."""
        images = torch.arange(len(logits), device=logits.device)
        return task.log_probabilities(logits)[images, self.labels, self.classes]


def sample_targets(task: Task, batch: Batch, *, seed: int) -> TargetSample:
    """Sample one labelled target of each image; of exclusive classes the true one."""
    answers = task.true_classes(batch.targets)
    has_target = answers >= 0
    draws = sample_draws(batch, answers.shape[1], seed=seed).to(answers.device)
    questions = draws.masked_fill(~has_target, -1).argmax(1)
    chosen = answers.gather(1, questions[:, None])[:, 0].clamp(min=0)
    if task.name == "multiclass":
        outputs, signs = chosen, torch.ones_like(draws[:, 0])
    else:
        outputs, signs = questions, 2.0 * chosen - 1
    return TargetSample(questions, chosen, outputs, signs, has_target.any(1).float())


def sample_outputs(task: Task, batch: Batch, *, seed: int) -> Tensor:
    """Sample one output of each image, (N,) int64, all with the same probability."""
    targets = batch_targets(task, batch)
    draws = sample_draws(batch, targets.shape[1], seed=seed)
    return draws.argmax(1).to(targets.device)


def sample_draws(batch: Batch, count: int, *, seed: int) -> Tensor:
    """Return so many uniform draws of each image, (N, count): those it has in the step, whatever part the batch is."""
    first, images = (batch.share.first, batch.share.images) if batch.share else (0, len(batch.images))
    draws = torch.rand((images, count), generator=seeded_generator(seed, batch.epoch, batch.step))
    return draws[first : first + len(batch.images)]
