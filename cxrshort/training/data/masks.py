"""Foreground masks, as background-minimising objectives need them of a batch."""

from typing import cast

from torch import Tensor
from torch.nn import functional

from cxrshort.errors import UsageError

_HINT = (
    "build-dataset with --masks DIR gives every image one (the phantom has them); "
    "or give --segmenter MODEL or --mask-file FILE"
)


def check_masks(masks: object | None, *, method: str) -> None:
    """Refuse a fold without masks.

    Raises:
        UsageError: there are none.
    """
    if masks is None:
        raise UsageError(f"'{method}' needs masks of where evidence may lie", _HINT)


def require_masks(masks: Tensor | None, *, method: str) -> Tensor:
    """Return the masks of a batch.

    Raises:
        UsageError: the batch has none.
    """
    check_masks(masks, method=method)
    return cast(Tensor, masks)


def foreground(masks: Tensor | None, maps: Tensor, *, method: str) -> Tensor:
    """Return the masks at the size of the maps, (N, 1, H, W), 1 where evidence may lie.

    A cell that touches the foreground belongs to it, so that no evidence inside is punished.

    Raises:
        UsageError: the batch has no masks.
    """
    masks = require_masks(masks, method=method)
    if masks.shape[-2:] == maps.shape[-2:]:
        return masks
    return functional.adaptive_max_pool2d(masks, maps.shape[-2:])
