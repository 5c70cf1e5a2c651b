import numpy as np
import pytest
import torch
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.data.batches import Batch, Share
from cxrshort.training.task import batch_loss


def test_segmenter_learns_from_the_masks_of_the_batch() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, masks = torch.randn(2, 1, 4, 4, generator=draw), torch.rand(2, 1, 4, 4, generator=draw).round()
    batch = Batch(torch.rand(2, 1, 4, 4, generator=draw), torch.zeros(2, 1), np.arange(2), masks=masks)
    expected = functional.binary_cross_entropy_with_logits(logits, masks)
    torch.testing.assert_close(batch_loss(Task("masks"), logits, batch), expected)
    with pytest.raises(UsageError) as caught:
        batch_loss(Task("masks"), logits, batch._replace(masks=None))
    assert caught.value.message == "a segmenter learns from masks, and the dataset has none"


def test_micro_batch_counts_with_its_share_of_the_step() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(4, 2, generator=draw), torch.rand(4, 2, generator=draw).round()
    batch = Batch(torch.zeros(4, 1, 2, 2), targets, np.arange(4))
    whole = batch_loss(Task(), logits, batch)
    torch.testing.assert_close(batch_loss(Task(), logits, batch._replace(share=Share(0, 4, 0.25, 8))), whole / 4)
