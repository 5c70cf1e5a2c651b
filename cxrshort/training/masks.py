"""Masks of where evidence may lie: what background-minimising objectives need of a batch."""

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
        raise _no_masks(method)


def foreground(masks: Tensor | None, maps: Tensor, *, method: str) -> Tensor:
    """Return the masks at the size of the maps, (N, 1, H, W), 1 where evidence may lie.

    A cell that touches the foreground belongs to it, so that no evidence inside is punished.

    Raises:
        UsageError: the batch has no masks.
    """
    if masks is None:
        raise _no_masks(method)
    if masks.shape[-2:] == maps.shape[-2:]:
        return masks
    return functional.adaptive_max_pool2d(masks, maps.shape[-2:])


def _no_masks(method: str) -> UsageError:
    return UsageError(f"'{method}' needs masks of where evidence may lie", _HINT)
