"""Empirical risk minimisation: the loss of the targets that are there."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task, masked_bce
from cxrshort.training.data.batches import Batch, Share
from cxrshort.training.objectives.erm import ERM

from .by_hand import NAN, batch, bce, linear, logits_of


def test_erm_is_the_masked_mean_over_the_batch() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    targets = torch.tensor([[1.0, NAN], [0.0, 1.0], [NAN, NAN]])
    batch = Batch(torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)), targets, np.arange(3))
    torch.testing.assert_close(ERM()(model, batch), masked_bce(model(batch.images), targets))


def test_erm_of_a_micro_batch_is_its_share_of_the_step() -> None:
    model, whole = linear(), batch([[1.0], [NAN], [0.0]])
    logits = logits_of(model, whole)
    by_hand = (bce(logits[0], np.array([1.0])) + bce(logits[2], np.array([0.0]))) / 2
    loss = ERM()(model, whole._replace(share=Share(0, 6, 0.25, 8)))
    assert loss.item() == pytest.approx(by_hand.item() / 4, rel=1e-5)


def test_erm_of_masks_is_the_cross_entropy_of_pixels_and_needs_them() -> None:
    model, images = nn.Conv2d(1, 1, 1), batch([[0.0], [0.0]], masked=True)
    expected = functional.binary_cross_entropy_with_logits(model(images.images), images.masks)
    objective = ERM(task=Task("masks"))
    torch.testing.assert_close(objective(model, images), expected)
    assert objective.needs.masks and not ERM().needs.masks
    with pytest.raises(UsageError) as caught:
        objective.check(None, None)
    assert caught.value.message == "'erm of masks' needs masks of where evidence may lie"
    objective.check(None, object())
    ERM().check(None, None)
