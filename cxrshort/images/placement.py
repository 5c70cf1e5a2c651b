"""How a picture of any size lies in its square of the cache."""

from dataclasses import dataclass

from PIL import Image

from cxrshort.registry import check_name

FITS = ("crop", "pad", "squash")
_REDUCING_GAP = 3.0  # "very close to fair resampling" in Pillow's words; exact below a reduction of 6


@dataclass(frozen=True)
class Placement:
    """Map original pixels to cache pixels: ``y' = y * scale_y + top``, ``x' = x * scale_x + left``.

    ``top`` and ``left`` are negative where the picture is cropped. Coordinates are edges of pixels, origin top left.
    """

    scale_y: float
    scale_x: float
    top: float
    left: float


def place(height: int, width: int, *, size: int, fit: str = "crop") -> Placement:
    """Return where a picture of ``height`` by ``width`` pixels lies in its cache square.

    Args:
        height: rows of the upright original.
        width: columns of the upright original.
        size: side of the square.
        fit: ``crop`` brings the shorter side to ``size`` and cuts the rest off on both sides (DeGrave et al. 2021),
            ``pad`` brings the longer side to ``size`` on a black ground, ``squash`` brings both sides to ``size``.

    Raises:
        UsageError: ``fit`` is not one of `FITS`.

    Example:
        >>> place(1000, 2000, size=100)
        Placement(scale_y=0.1, scale_x=0.1, top=0.0, left=-50.0)
    """
    check_name(FITS, fit, kind="fit")
    if fit == "crop":
        scale = size / min(height, width)
        return Placement(scale, scale, (size - height * scale) / 2, (size - width * scale) / 2)
    if fit == "squash":
        return Placement(size / height, size / width, 0.0, 0.0)
    rows, columns = _padded_sides(height, width, size=size)
    return Placement(rows / height, columns / width, float((size - rows) // 2), float((size - columns) // 2))


def fit_image(
    image: Image.Image, *, size: int, fit: str = "crop", resample: Image.Resampling = Image.Resampling.BILINEAR
) -> Image.Image:
    """Resize a picture into a square of ``size`` pixels, as `place` says.

    Bilinear resampling is antialiased (its support grows with the reduction); masks take
    ``Image.Resampling.NEAREST``.
    """
    check_name(FITS, fit, kind="fit")
    width, height = image.size
    gap = None if resample is Image.Resampling.NEAREST else _REDUCING_GAP
    if fit == "pad":
        rows, columns = _padded_sides(height, width, size=size)
        square = Image.new(image.mode, (size, size))
        inner = image.resize((columns, rows), resample, reducing_gap=gap)
        square.paste(inner, ((size - columns) // 2, (size - rows) // 2))
        return square
    # Cutting within resize() is the same as resize-then-crop without its rounding to whole pixels.
    cut_y, cut_x = ((side - min(height, width)) / 2 if fit == "crop" else 0.0 for side in (height, width))
    return image.resize((size, size), resample, box=(cut_x, cut_y, width - cut_x, height - cut_y), reducing_gap=gap)


def _padded_sides(height: int, width: int, *, size: int) -> tuple[int, int]:
    scale = size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
