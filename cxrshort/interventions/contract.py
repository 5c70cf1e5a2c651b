"""The contract of every intervention in boxes: a picture goes in, the same picture changed in the boxes comes out.

Pictures are what a person sees, in [0, 1], before any preprocessing of a model. What would invalidate a result: an
intervention that changes pixels elsewhere, or one that leaves [0, 1], so that the model is shown what no film can be.
The contract refuses the former by construction, since an intervention says only what its boxes hold afterwards, and
clamps nothing silently: each intervention keeps to [0, 1] by itself and is tested for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from cxrshort.errors import UsageError
from cxrshort.interventions.boxes import check_boxes, lay_patches


class EditRequirements(NamedTuple):
    """Say what an intervention needs beside images and boxes.

    Args:
        partners: an image of the same size for each image.
        partner_boxes: a box in each partner.
        destinations: a box in each image that takes what its box holds.
    """

    partners: bool = False
    partner_boxes: bool = False
    destinations: bool = False


class Places(NamedTuple):
    """Say where an intervention takes place, in N images.

    Args:
        boxes: (N, 4), int64, on the CPU.
        partners: (N, C, H, W) on the images' device.
        partner_boxes: (N, 4), int64, on the CPU.
        destinations: (N, 4), int64, on the CPU.
    """

    boxes: Tensor
    partners: Tensor | None = None
    partner_boxes: Tensor | None = None
    destinations: Tensor | None = None

    def at(self, positions: Tensor) -> "Places":
        """Return the places of some of the images."""
        others = (self.partners, self.partner_boxes, self.destinations)
        parts = (None if part is None else part[positions.to(part.device)] for part in others)
        return Places(self.boxes[positions], *parts)


class Patch(NamedTuple):
    """Hold new contents (N, C, h, w) of boxes (N, 4) that are all of one size."""

    boxes: Tensor
    pixels: Tensor


class EditFunction(Protocol):
    """Say what boxes of one size hold after an intervention."""

    def __call__(self, images: Tensor, places: Places, *, settings: Any) -> Sequence[Patch]:
        """Return patches in [0, 1] in the order in which they are laid into the images.

        Args:
            images: (N, C, H, W) in [0, 1], to be read only; maybe one image expanded.
            places: what the intervention said that it requires; within each tensor all boxes are of one size.
            settings: of the intervention's ``Settings``.
        """
        ...


@dataclass(frozen=True)
class NoEditSettings:
    """Stand for the settings of an intervention that has no options."""


@dataclass(frozen=True)
class Intervention:
    """Change images in boxes; call it as a function.

    Args:
        name: as in :data:`cxrshort.interventions.INTERVENTIONS`.
        function: computes what boxes of one size hold afterwards.
        Settings: a frozen dataclass of the intervention's options.
        requires: what it needs.
    """

    name: str
    function: EditFunction
    Settings: Callable[..., Any] = NoEditSettings
    requires: EditRequirements = EditRequirements()

    def __call__(self, images: Tensor, places: Places, *, settings: Any = None, out: Tensor | None = None) -> Tensor:
        """Return changed copies of images, (N, C, H, W), in float32 whatever autocast is on.

        Args:
            images: (N, C, H, W) in [0, 1]; an expanded image is read in place and copied once, on its device.
            places: boxes of any sizes; those of one size are worked on together.
            settings: of ``Settings``; None takes the defaults.
            out: (N, C, H, W), contiguous, that takes the changed images and is returned, instead of new memory; may be
                ``images`` itself.

        Raises:
            UsageError: something that the intervention requires is missing, or shapes do not fit together.
            DataError: a box reaches outside its image.

        Example:
            >>> from cxrshort.interventions.mean import MEAN
            >>> images = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
            >>> MEAN(images, Places(torch.tensor([[0, 0, 2, 1]])))[0, 0].tolist()
            [[0.5, 0.5], [0.5, 0.5]]
        """
        places = self._required(images, places)
        settings = self.Settings() if settings is None else settings
        if out is None:
            out = torch.empty(images.shape, dtype=images.dtype, device=images.device)
        edited = out if out is images else out.copy_(images)
        with torch.autocast(images.device.type, enabled=False):
            for positions in _of_one_size(places):
                if len(positions) == len(images):
                    for patch in self.function(images, places, settings=settings):
                        lay_patches(edited, patch.boxes, patch.pixels)
                    break
                here = positions.to(images.device)
                part = edited[here]
                for patch in self.function(images[here], places.at(positions), settings=settings):
                    lay_patches(part, patch.boxes, patch.pixels)
                edited[here] = part
        return edited

    def touched(self, places: Places, *, shape: tuple[int, int]) -> Tensor:
        """Return which pixels of (N, H, W) the intervention may change."""
        boxes = [places.boxes]
        if self.requires.destinations and places.destinations is not None:
            boxes.append(places.destinations)
        rows, columns = torch.arange(shape[0]), torch.arange(shape[1])
        areas = torch.zeros(len(places.boxes), *shape, dtype=torch.bool)
        for part in boxes:
            x0, y0, x1, y1 = part[:, :, None].unbind(1)
            areas |= ((rows >= y0) & (rows < y1))[:, :, None] & ((columns >= x0) & (columns < x1))[:, None, :]
        return areas

    def _required(self, images: Tensor, places: Places) -> Places:
        """Return the places that this intervention looks at, once they fit the images."""
        if images.dim() != 4 or images.dtype != torch.float32:
            raise UsageError(
                f"images of shape {tuple(images.shape)} and type {images.dtype} cannot be changed",
                "give float32 images of shape (N, C, H, W) in [0, 1]",
            )
        for field, needed in zip(EditRequirements._fields, self.requires, strict=True):
            if needed:
                present(getattr(places, field), field.replace("_", " "))
        places = Places(
            places.boxes,
            *(
                getattr(places, field) if needed else None
                for field, needed in zip(EditRequirements._fields, self.requires, strict=True)
            ),
        )
        check_boxes(places.boxes, images=images)
        if places.partners is not None and places.partners.shape != images.shape:
            raise UsageError(
                f"partners have the shape {tuple(places.partners.shape)}, "
                f"they must have that of the images, {tuple(images.shape)}",
                "build both datasets with the same --size",
            )
        if places.partner_boxes is not None:
            check_boxes(places.partner_boxes, images=images, kind="partner box")
        if places.destinations is not None:
            check_boxes(places.destinations, images=images, kind="destination")
        return places


def present(part: Tensor | None, name: str) -> Tensor:
    """Return a part of the places that an intervention requires.

    Raises:
        UsageError: it is missing.
    """
    if part is None:
        raise UsageError(f"the intervention needs {name}, and there are none", "give them with the places")
    return part


def _of_one_size(places: Places) -> list[Tensor]:
    """Return the positions of images whose boxes are all of the same sizes, a tensor for each combination."""
    parts = [part for part in (places.boxes, places.partner_boxes, places.destinations) if part is not None]
    sizes = torch.cat([part[:, 2:] - part[:, :2] for part in parts], dim=1)
    if (sizes == sizes[:1]).all():  # as in every batch of a null; sorting rows costs several times as much
        return [torch.arange(len(sizes))] if len(sizes) else []
    kinds = torch.unique(sizes, dim=0, return_inverse=True)[1]
    return [(kinds == kind).nonzero()[:, 0] for kind in range(int(kinds.max()) + 1)]
