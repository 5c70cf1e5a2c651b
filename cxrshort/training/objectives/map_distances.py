"""How far the student's maps are from the teacher's: the TEA loss, and simpler ones.

At level m both maps are averaged over squares of 2^m pixels, and

    d_m = mean |Hs - Ht| / (sqrt(mean |Hs|) sqrt(mean |Ht|) + 1e-10)

of each image, means over channels and places; the distance is the mean over the levels whose sides are 8 pixels or
more. The normaliser is differentiated. There is no trivial minimum: it grows without limit as a map vanishes, and is 0
only where the maps are equal. Unrelated networks score about 1.4.

What would invalidate it: a map that is 0 everywhere has no direction to learn. Its distance has no gradient, and it is
reported beside the distances, to be counted.
"""

import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.errors import UsageError

LOSSES = ("geo-l1", "l1", "l2")
RESOLUTIONS = ("multi", "single")
_SMALLEST = 8
"""Sides of the coarsest maps that are compared, in pixels."""
_VANISHED = 1e-12
"""Mean absolute relevance below which a map counts as 0 everywhere."""
_APART = 2.0
"""Distance, by each loss, of two maps of the same size that share no pixel."""


def map_distances(
    student: Tensor, teacher: Tensor, *, loss: str = "geo-l1", resolutions: str = "multi"
) -> tuple[Tensor, Tensor]:
    """Return the distance between the maps of each image (N,), and which cannot be compared since a map is 0 (N,) bool.

    Those have no gradient; their distance is 0 where both maps are 0, else 2.

    Args:
        student: (N, K, H, W), signed.
        teacher: (N, J, H, W), signed; where the numbers of channels differ, both are summed over them.
        loss: one of ``LOSSES``.
        resolutions: one of ``RESOLUTIONS``.

    Raises:
        UsageError: maps of two sizes.
    """
    if student.shape[-2:] != teacher.shape[-2:]:
        raise UsageError(
            f"the maps of teacher and student have {teacher.shape[-1]} and {student.shape[-1]} pixels",
            "choose an --arch whose last map has the teacher's size, or --set explanation=lrp",
        )
    if student.shape[1] != teacher.shape[1]:
        student, teacher = student.sum(1, keepdim=True), teacher.sum(1, keepdim=True)
    with torch.no_grad():
        own, target = _size(student) < _VANISHED, _size(teacher) < _VANISHED
        vanished, apart = own | target, _APART * (own ^ target)
    blank = vanished[:, None, None, None]
    student, teacher = (torch.where(blank, torch.ones_like(maps), maps) for maps in (student, teacher))
    kernels = level_kernels(min(student.shape[-2:])) if resolutions == "multi" else [1]
    distances = [_distances(_averaged(student, kernel), _averaged(teacher, kernel), loss=loss) for kernel in kernels]
    return torch.stack(distances).mean(0) + apart, vanished


def level_kernels(side: int) -> list[int]:
    """Return the sides of the squares over which maps are averaged, level by level.

    Example:
        >>> level_kernels(224), level_kernels(7)
        ([1, 2, 4, 8, 16], [1])
    """
    kernels = [1]
    while side // (2 * kernels[-1]) >= _SMALLEST:
        kernels.append(2 * kernels[-1])
    return kernels


def _averaged(maps: Tensor, kernel: int) -> Tensor:
    return functional.avg_pool2d(maps, kernel) if kernel > 1 else maps


def _distances(student: Tensor, teacher: Tensor, *, loss: str) -> Tensor:
    """Return the distance of each pair of maps, (N,)."""
    if loss == "geo-l1":
        # Averaging may make a level vanish whose finer one does not; the slope of its root must stay a number.
        own, target = (_size(maps).clamp(min=_VANISHED) for maps in (student, teacher))
        return _size(student - teacher) / (own.sqrt() * target.sqrt() + 1e-10)
    if loss == "l1":
        own, target = (maps / _size(maps).clamp(min=_VANISHED)[:, None, None, None] for maps in (student, teacher))
        return _size(own - target)
    own, target = (
        maps / (maps**2).mean((1, 2, 3), keepdim=True).clamp(min=_VANISHED**2).sqrt() for maps in (student, teacher)
    )
    return ((own - target) ** 2).mean((1, 2, 3))


def _size(maps: Tensor) -> Tensor:
    """Return the mean absolute relevance of each map, (N,)."""
    return maps.abs().mean((1, 2, 3))
