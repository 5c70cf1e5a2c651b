"""Boxes in images, half-open (x0, y0, x1, y1) in pixels: reading, writing and resampling what they hold, in batches.

Boxes stay on the CPU, where their sizes are needed; indices are made on the device of the images from four numbers per
box, so nothing of the size of an image crosses between the two.
"""

import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.errors import DataError, UsageError

DESTINATIONS = ("corner", "top", "left", "right", "bottom")
"""Where boxes may be moved: to an edge of the image, or to the nearer corner at the top."""


def check_boxes(boxes: Tensor, *, images: Tensor, kind: str = "box") -> None:
    """Refuse boxes that are not boxes of whole pixels within their images.

    Args:
        boxes: (N, 4).
        images: (N, C, H, W).
        kind: the word for such a box in messages.

    Raises:
        UsageError: another shape or type than (N, 4) of int64.
        DataError: a box that is empty or reaches outside its image.
    """
    if boxes.shape != (len(images), 4) or boxes.dtype != torch.int64:
        raise UsageError(
            f"{kind} edges of shape {tuple(boxes.shape)} and type {boxes.dtype} do not fit {len(images)} images",
            "give (x0, y0, x1, y1) for each image, of type int64",
        )
    height, width = images.shape[2:]
    x0, y0, x1, y1 = boxes.cpu().T
    wrong = (x0 < 0) | (y0 < 0) | (x0 >= x1) | (y0 >= y1) | (x1 > width) | (y1 > height)
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise DataError(
            f"{int(wrong.sum())} of {len(boxes)} {kind} edges are not within {width} x {height} pixels, "
            f"the first is '{', '.join(map(str, boxes[first].tolist()))}'",
            "0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height, in pixels of the cached square",
        )


def box_size(boxes: Tensor) -> tuple[int, int]:
    """Return (height, width) of boxes (N, 4) that are all of one size.

    Example:
        >>> box_size(torch.tensor([[2, 1, 6, 4]]))
        (3, 4)
    """
    x0, y0, x1, y1 = boxes[0].tolist()
    return y1 - y0, x1 - x0


def cut_patches(images: Tensor, boxes: Tensor, *, margin: int = 0) -> Tensor:
    """Return what boxes of one size hold, (N, C, h + 2 margin, w + 2 margin).

    Args:
        images: (N, C, H, W); may be one image expanded, of which no copy is made.
        boxes: (N, 4), all of one size, within the images.
        margin: pixels around the box to return too; outside the image its outermost pixels are repeated.
    """
    height, width = images.shape[2:]
    h, w = box_size(boxes)
    x0, y0 = (boxes[:, each].to(images.device) - margin for each in (0, 1))
    rows = (y0[:, None] + torch.arange(h + 2 * margin, device=images.device)).clamp(0, height - 1)
    columns = (x0[:, None] + torch.arange(w + 2 * margin, device=images.device)).clamp(0, width - 1)
    places = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, places).view(*images.shape[:2], h + 2 * margin, w + 2 * margin)


def lay_patches(images: Tensor, boxes: Tensor, patches: Tensor) -> None:
    """Write patches into boxes of one size, in place.

    Args:
        images: (N, C, H, W), contiguous.
        boxes: (N, 4), all of the patches' size, within the images.
        patches: (N, C, h, w).
    """
    width = images.shape[3]
    h, w = box_size(boxes)
    x0, y0 = (boxes[:, each].to(images.device) for each in (0, 1))
    rows, columns = torch.arange(h, device=images.device), torch.arange(w, device=images.device)
    places = ((y0[:, None] + rows)[:, :, None] * width + (x0[:, None] + columns)[:, None, :]).flatten(1)
    images.view(*images.shape[:2], -1).scatter_(
        2, places[:, None].expand(-1, images.shape[1], -1), patches.flatten(2).to(images.dtype)
    )


def resize_patches(patches: Tensor, size: tuple[int, int]) -> Tensor:
    """Return patches (N, C, h, w) in another size, bilinear with antialiasing; in the same size as they are."""
    if patches.shape[2:] == size:
        return patches
    return functional.interpolate(patches, size, mode="bilinear", antialias=True).clamp(0, 1)


def slide_to_edge(boxes: Tensor, *, shape: tuple[int, int], edge: str) -> Tensor:
    """Return boxes slid straight to an edge of the image, or to the nearer corner at the top.

    Args:
        boxes: (N, 4).
        shape: (H, W) of the images.
        edge: of `DESTINATIONS`; ``"corner"`` is the top corner of the side on which the box has its centre.

    Raises:
        UsageError: another edge.

    Example:
        >>> slide_to_edge(torch.tensor([[20, 5, 28, 9]]), shape=(32, 32), edge="corner").tolist()
        [[24, 0, 32, 4]]
    """
    height, width = shape
    x0, y0, x1, y1 = boxes.T
    w, h = x1 - x0, y1 - y0
    places = {
        "top": (x0, torch.zeros_like(y0)),
        "bottom": (x0, height - h),
        "left": (torch.zeros_like(x0), y0),
        "right": (width - w, y0),
        "corner": (torch.where(x0 + x1 <= width, 0, width - w), torch.zeros_like(y0)),
    }
    if edge not in places:
        raise UsageError(f"'{edge}' is not a known edge", f"one of: {', '.join(places)}")
    left, top = places[edge]
    return torch.stack([left, top, left + w, top + h], dim=1)
