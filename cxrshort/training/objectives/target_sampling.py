"""Which output of each image an objective explains; the draw is a function of (seed, epoch, step)."""

from typing import NamedTuple

import torch
from torch import Tensor

from cxrshort.compute import seeded_generator
from cxrshort.models.outputs import Task
from cxrshort.training.data.batches import Batch
from cxrshort.training.task import batch_targets


class Asked(NamedTuple):
    """Hold one question per image and its true answer.

    Args:
        questions: (N,) int64, which label; 0 for exclusive classes.
        answers: (N,) int64, the true answer.
        outputs: (N,) int64, the output to explain.
        signs: (N,), -1 where the evidence against that output is asked for.
        known: (N,), 1 where the image has a known target, else 0.
    """

    questions: Tensor
    answers: Tensor
    outputs: Tensor
    signs: Tensor
    known: Tensor

    def log_probability(self, task: Task, logits: Tensor) -> Tensor:
        """Return the log-probability of each image's true answer, (N,)."""
        images = torch.arange(len(logits), device=logits.device)
        return task.log_probabilities(logits)[images, self.questions, self.answers]


def draw_questions(task: Task, batch: Batch, *, seed: int) -> Asked:
    """Choose one known label of each image; of exclusive classes the true one."""
    answers = task.answers(batch.targets)
    known = answers >= 0
    draws = _draws(batch, answers.shape[1], seed=seed).to(answers.device)
    questions = draws.masked_fill(~known, -1).argmax(1)
    chosen = answers.gather(1, questions[:, None])[:, 0].clamp(min=0)
    if task.name == "multiclass":
        outputs, signs = chosen, torch.ones_like(draws[:, 0])
    else:
        outputs, signs = questions, 2.0 * chosen - 1
    return Asked(questions, chosen, outputs, signs, known.any(1).float())


def draw_outputs(task: Task, batch: Batch, *, seed: int) -> Tensor:
    """Choose one output of each image, (N,) int64, each with the same probability."""
    targets = batch_targets(task, batch)
    draws = _draws(batch, targets.shape[1], seed=seed)
    return draws.argmax(1).to(targets.device)


def _draws(batch: Batch, count: int, *, seed: int) -> Tensor:
    """Return so many draws for each image, (N, count): those it has in the step, whatever part of it the batch is."""
    first, images = (batch.share.first, batch.share.images) if batch.share else (0, len(batch.images))
    draws = torch.rand((images, count), generator=seeded_generator(seed, batch.epoch, batch.step))
    return draws[first : first + len(batch.images)]
