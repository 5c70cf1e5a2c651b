"""Which output of an image is explained: known, true, and drawn from the seed, the epoch and the step."""

import numpy as np
import pytest
import torch

from cxrshort.models.outputs import Task
from cxrshort.training.data.batches import Batch, Share
from cxrshort.training.objectives.target_sampling import sample_outputs, sample_targets

from .by_hand import NAN, batch

CLASSES = Task("multiclass")


def test_questions_are_of_known_labels_and_answered_by_their_targets() -> None:
    targets = [[1.0, NAN, 0.0], [NAN, 0.0, NAN], [NAN, NAN, NAN], [0.6, 1.0, NAN]]
    for step in range(30):
        requested = sample_targets(Task(), batch(targets)._replace(step=step), seed=0)
        assert requested.has_target.tolist() == [1, 1, 0, 1]
        for image in (0, 1, 3):
            target = targets[image][int(requested.labels[image])]
            assert target == target  # not NaN
            assert requested.classes[image] == round(target)
            assert requested.signs[image] == (1 if round(target) else -1)
        assert torch.equal(requested.outputs, requested.labels)
        assert requested.classes[2] == 0


def test_questions_come_to_every_known_label_alike_often() -> None:
    targets = [[1.0, NAN, 0.0, 0.0]] * 3000
    counts = np.bincount(sample_targets(Task(), batch(targets), seed=5).labels.numpy(), minlength=4)
    assert counts[1] == 0
    # 4.5 standard deviations of a binomial share of one third
    assert (np.abs(counts[[0, 2, 3]] - 1000) < 4.5 * np.sqrt(3000 / 3 * 2 / 3)).all()


def test_true_class_is_explained_and_evidence_asked_for_it() -> None:
    requested = sample_targets(CLASSES, batch([[0.0, 1.0, 0.0], [0.0, 0.2, 0.8], [NAN, NAN, NAN]]), seed=0)
    assert requested.labels.tolist() == [0, 0, 0]
    assert requested.outputs[:2].tolist() == requested.classes[:2].tolist() == [1, 2]
    assert requested.signs.tolist() == [1, 1, 1] and requested.has_target.tolist() == [1, 1, 0]


@pytest.mark.parametrize("task", [Task(), CLASSES])
def test_log_probability_is_of_the_true_answer(task: Task) -> None:
    targets = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    requested = sample_targets(task, batch(targets), seed=1)
    logits = torch.tensor([[0.4, -1.0, 2.0], [1.5, 0.2, -0.3]], dtype=torch.float64)
    if task.name == "multiclass":
        expected = [np.exp(0.4) / np.exp([0.4, -1, 2]).sum(), np.exp(-0.3) / np.exp([1.5, 0.2, -0.3]).sum()]
    else:
        p = 1 / (1 + np.exp(-logits.numpy()))
        expected = [
            p[image, label] if targets[image][label] else 1 - p[image, label]
            for image, label in enumerate(requested.labels.tolist())
        ]
    np.testing.assert_allclose(requested.log_probability(task, logits).exp().numpy(), expected, rtol=1e-12)


def test_draws_are_those_of_the_seed_the_epoch_and_the_step() -> None:
    samples = batch([[1.0, 0.0, 0.0]] * 64)
    first = sample_outputs(Task(), samples, seed=0)
    assert torch.equal(sample_outputs(Task(), samples, seed=0), first)
    for other in (samples._replace(step=4), samples._replace(epoch=3)):
        assert not torch.equal(sample_outputs(Task(), other, seed=0), first)
    assert not torch.equal(sample_outputs(Task(), samples, seed=1), first)
    assert set(first.tolist()) == {0, 1, 2}


def part(whole: Batch, start: int, stop: int) -> Batch:
    rows = slice(start, stop)
    share = Share(start, len(whole.images), 0.5, stop - start)
    return whole._replace(images=whole.images[rows], targets=whole.targets[rows], share=share)


def test_image_is_asked_the_same_in_any_part_of_its_step() -> None:
    whole = batch([[1.0, 0.0, NAN]] * 10)
    for draw in (sample_outputs, lambda *arguments, seed: sample_targets(*arguments, seed=seed).labels):
        parts = [draw(Task(), part(whole, start, stop), seed=0) for start, stop in ((0, 3), (3, 10))]
        assert torch.equal(torch.cat(parts), draw(Task(), whole, seed=0))
