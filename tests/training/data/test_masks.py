import numpy as np
import pytest
import torch

from cxrshort.errors import UsageError
from cxrshort.registry import load_entry
from cxrshort.training import OBJECTIVES
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.masks import foreground

MASK_METHODS = ["rrr", "gain", "isnet", "multitask"]


def test_smaller_mask_keeps_every_cell_that_touches_the_foreground() -> None:
    masks = torch.zeros(1, 1, 8, 8)
    masks[0, 0, 3, 3] = 1
    small = foreground(masks, torch.zeros(1, 5, 4, 4), method="rrr")
    assert small.sum() == 1
    assert small[0, 0, 1, 1] == 1
    assert foreground(masks, torch.zeros(1, 5, 8, 8), method="rrr") is masks


@pytest.mark.parametrize("name", MASK_METHODS)
def test_mask_methods_refuse_a_fold_or_a_batch_without_masks(name: str) -> None:
    objective = load_entry(OBJECTIVES, name, kind="method")()
    with pytest.raises(UsageError) as caught:
        objective.check(None, None)
    assert caught.value.message == f"'{name}' needs masks of where evidence may lie"
    assert caught.value.hint == (
        "build-dataset with --masks DIR gives every image one (the phantom has them); "
        "or give --segmenter MODEL or --mask-file FILE"
    )
    with pytest.raises(UsageError, match="needs masks"):
        objective(torch.nn.Identity(), Batch(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1), np.arange(2)))
