"""Masking: an area of an image alone is shown, or hidden, as for an AUC of the border alone or of the lungs alone.

The filling is black, as a shutter is, or the mean grey of what is shown, which keeps the film's brightness. It is not
the mean of the whole image, which would tell how bright the hidden part is: dense lungs would then show in an image of
which only the border is left. What would invalidate a result: the outline of the area remains visible under either
filling, so a model may read the shape of the lungs from an image in which they are hidden.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from cxrshort.errors import UsageError


@dataclass(frozen=True)
class Masking:
    """Hide areas of images; call it as a function.

    Args:
        name: as in :data:`cxrshort.interventions.MASKINGS`.
        inside: whether the area is hidden, or all the rest.
        grey: whether the filling is the mean of what is shown, in each channel, or black; black where nothing is shown.
    """

    name: str
    inside: bool
    grey: bool

    def __call__(self, images: Tensor, areas: Tensor) -> Tensor:
        """Return images with an area hidden, (N, C, H, W).

        Args:
            images: (N, C, H, W) in [0, 1].
            areas: (N, H, W), bool, on the images' device.

        Raises:
            UsageError: areas of another shape or type.

        Example:
            >>> areas = torch.tensor([[[True, False]]])
            >>> BLACK_OUTSIDE(torch.tensor([[[[0.5, 0.7]]]]), areas).tolist()
            [[[[0.5, 0.0]]]]
        """
        expected = (len(images), *images.shape[2:])
        if areas.shape != expected or areas.dtype != torch.bool:
            raise UsageError(
                f"areas of shape {tuple(areas.shape)} and type {areas.dtype} do not fit the images",
                f"give true and false for each pixel, of shape {tuple(expected)}",
            )
        hidden = (areas if self.inside else ~areas)[:, None]
        if not self.grey:
            return torch.where(hidden, 0.0, images)
        shown = torch.where(hidden, 0.0, images).sum(dim=(2, 3), keepdim=True)
        pixels = (~hidden).sum(dim=(2, 3), keepdim=True).clamp(min=1)
        return torch.where(hidden, (shown / pixels).clamp(0, 1), images)


BLACK_OUTSIDE = Masking("black-outside", inside=False, grey=False)
BLACK_INSIDE = Masking("black-inside", inside=True, grey=False)
GREY_OUTSIDE = Masking("grey-outside", inside=False, grey=True)
GREY_INSIDE = Masking("grey-inside", inside=True, grey=True)
