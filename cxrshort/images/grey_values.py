"""Numbers of a radiograph that hold no fine anatomy: its histogram, border strips, thumbnail, and its shuffled pixels.

What would invalidate them: images of a dataset whose histograms were equalised, which then all have one histogram; and
images that were padded, whose border strips show the padding.

Colour images are turned into grey ones by the mean of their channels.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Images = npt.NDArray[np.uint8]

BINS = 64
CELLS = 16
"""Cells along a side of the thumbnail, and along a border strip."""
STRIP = 0.05
"""Width of a border strip, as a share of the side."""
_CONTRAST_BINS = 32


def to_grey(images: Images) -> Images:
    """Return (N, H, W) grey images of (N, H, W) or (N, 3, H, W) ones."""
    return images if images.ndim == 3 else images.mean(axis=1).round().astype(np.uint8)


def grey_histograms(images: Images) -> Floats:
    """Return the share of pixels in each of 64 bins of grey values, (N, 64).

    Args:
        images: (N, H, W).

    Example:
        >>> grey_histograms(np.array([[[0, 3], [4, 255]]], np.uint8))[0, [0, 1, 63]].tolist()
        [0.5, 0.25, 0.25]
    """
    return _histograms(images // (256 // BINS), BINS)


def _histograms(numbers: npt.NDArray[np.uint8], bins: int) -> Floats:
    """Return the share of each number below ``bins``, by image."""
    flat = numbers.reshape(len(numbers), -1)
    counts = np.stack([np.bincount(row, minlength=bins) for row in flat]) if len(flat) else np.zeros((0, bins))
    shares: Floats = counts / flat.shape[1]
    return shares


def thumbnails(images: Images) -> Floats:
    """Return the images as means of 16 x 16 cells, (N, 256), in row order.

    Args:
        images: (N, H, W); images of fewer pixels have as many cells as pixels.
    """
    return _cell_means(images, CELLS, CELLS).reshape(len(images), -1)


def border_strips(images: Images) -> Floats:
    """Return the means of 16 cells along each of the four borders, (N, 64): top, bottom, left, right.

    Args:
        images: (N, H, W); each strip is 5 % of the side wide, at least a pixel.
    """
    height, width = (max(1, round(STRIP * side)) for side in images.shape[1:])
    strips = [
        _cell_means(images[:, :height], 1, CELLS),
        _cell_means(images[:, -height:], 1, CELLS),
        _cell_means(images[:, :, :width], CELLS, 1),
        _cell_means(images[:, :, -width:], CELLS, 1),
    ]
    return np.concatenate([strip.reshape(len(images), -1) for strip in strips], axis=1)


def _cell_means(images: Images, rows: int, columns: int) -> Floats:
    """Return the means of a grid of cells, (N, rows, columns)."""
    edges = [
        np.linspace(0, side, min(count, side) + 1).astype(np.int64)
        for side, count in zip(images.shape[1:], (rows, columns), strict=True)
    ]
    sums = np.add.reduceat(images, edges[0][:-1], axis=1, dtype=np.float64)
    sums = np.add.reduceat(sums, edges[1][:-1], axis=2)
    means: Floats = sums / np.outer(np.diff(edges[0]), np.diff(edges[1]))
    return means


def shuffle_pixels(images: Images, rng: np.random.Generator) -> Images:
    """Return the images with the pixels of each one in an order of its own."""
    flat = rng.permuted(images.reshape(len(images), -1), axis=1)
    shuffled: Images = flat.reshape(images.shape)
    return shuffled


def local_patterns(images: Images) -> Floats:
    """Return what small filters see anywhere in an image, (N, 128): histograms of pixels, differences and 4 x 4 means.

    Args:
        images: (N, H, W), at least two pixels wide.
    """
    differences = np.abs(np.diff(images.astype(np.int16), axis=2)).astype(np.uint8)
    height, width = (max(1, side // 4) for side in images.shape[1:])
    means = _cell_means(images, height, width).astype(np.uint8)
    step = 256 // _CONTRAST_BINS
    return np.concatenate(
        [
            grey_histograms(images),
            _histograms(differences // step, _CONTRAST_BINS),
            _histograms(means // step, _CONTRAST_BINS),
        ],
        axis=1,
    )
