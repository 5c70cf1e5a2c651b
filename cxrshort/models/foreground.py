"""Images behind the masks of their dataset, for classifiers that were trained on the foreground alone.

Such a classifier has no segmenter of its own (a pipeline has): wherever it scores a dataset, the dataset's masks take
the background away, as they did in training.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cxrshort.dataset import Dataset
from cxrshort.errors import DataError
from cxrshort.images.prefetch import Source
from cxrshort.masks.bits import select_bits
from cxrshort.masks.structures import bits_of
from cxrshort.models.checkpoint import Description
from cxrshort.models.pipeline import noise_field


class Foreground:
    """Cut images whose background is replaced, always by the same field.

    Args:
        pixels: the images, grey.
        masks: their bit fields.
        bit: the bits of the field that are foreground.
        field: (C, H, W) uint8, what takes the background's place.
    """

    def __init__(self, pixels: Source, masks: Source, *, bit: int, field: npt.NDArray[np.uint8]) -> None:
        self._pixels, self._masks, self._bit, self._field = pixels, masks, bit, field

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one image, (C, H, W)."""
        return self._field.shape

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._pixels)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return the images at these positions, (N, C, H, W), uint8."""
        chosen = np.asarray(indices, dtype=np.int64)
        return self.cover(self._pixels.take(chosen), chosen)

    def cover(self, images: npt.NDArray[np.uint8], indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return edits of the images at these positions behind the masks of the images themselves, (N, C, H, W), uint8.

        Args:
            images: (N, H, W) or (N, C, H, W) uint8.
            indices: (N,) whose masks are taken; a position may be repeated.
        """
        masks = self._masks.take(indices)
        images = images[:, None] if images.ndim == 3 else images
        return np.where(select_bits(masks, self._bit)[:, None], images, self._field)


def visible_pixels(description: Description, data: Dataset) -> Source:
    """Return a dataset's images as a model was trained to see them: behind the dataset's masks, or as they are.

    Raises:
        DataError: the model needs masks, and an image has none.
    """
    if description.kind != "classifier" or not description.background:
        return data.pixels
    missing = int((~data.has_mask).sum())
    if data.masks is None or missing:
        raise DataError(
            f"{data.name}: the model sees the foreground alone, and {missing} of the {len(data.manifest)} images have "
            "no mask",
            "give a dataset with masks, or train with --segmenter MODEL, whose masks come with the model",
        )
    side = data.pixels.image_shape[-1]
    field = noise_field(description.background, channels=description.spec.channels, size=side)
    grey = (field * 255).round().byte().numpy()
    bit = bits_of(str(description.recipe["mask_bit"]))
    return Foreground(data.pixels, data.masks, bit=bit, field=grey)
