"""The branching vessels of the lungs, which give the lung its texture."""

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cxrshort.datasets.phantom.anatomy import Field, Geometry
from cxrshort.datasets.phantom.parameters import Phantom

HALF_FILM_CM = 18.0
PRIMARIES = 12
LENGTHS = (0.17, 0.13, 0.10, 0.08)
BLUR = (0.010, 0.010, 0.0055, 0.0055)


def draw_vessels(phantom: Phantom, geometry: Geometry, *, size: int) -> Field:
    """Return the thickness of the lung vessels along each ray, (size, size) in cm.

    Points along every branch are laid onto the film with the branch's cross section as their mass, then blurred to its
    width: the total is right at any film size, and no branch needs a full image of its own.
    """
    total = np.zeros((size, size), np.float32)
    for blur, points in zip((BLUR[0], BLUR[-1]), _tree(phantom.patient.anatomy_seed, size), strict=True):
        mass = _splat(points, phantom, geometry, size=size)
        sigma = blur * phantom.acquisition.zoom * size / 2
        total += ndimage.gaussian_filter(mass, max(sigma, 0.45), truncate=2.5)
    return total


@functools.lru_cache(maxsize=8)
def _tree(seed: int, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (x, y, mass) of points along thick and thin branches, relative to the hila of an average chest."""
    generator = np.random.default_rng([seed, 99])
    side = np.repeat([-1.0, 1.0], PRIMARIES)
    fan = np.tile(np.linspace(-1.25, 1.35, PRIMARIES), 2)
    angle = fan + generator.normal(0, 0.10, 2 * PRIMARIES)
    x, y = side * generator.uniform(0.12, 0.17, 2 * PRIMARIES), 0.03 * fan - 0.02 * (side > 0)
    radius = generator.uniform(0.012, 0.020, 2 * PRIMARIES)
    levels = []
    for length in LENGTHS:
        reach = length * generator.uniform(0.75, 1.25, x.size)
        bend = generator.normal(0, 0.25, x.size)
        points, x, y, angle = _branch(x, y, angle, side=side, reach=reach, bend=bend, radius=radius, size=size)
        levels.append(points)
        x, y, side = np.repeat(x, 2), np.repeat(y, 2), np.repeat(side, 2)
        angle = np.repeat(angle, 2) + np.tile([-0.36, 0.36], angle.size) + generator.normal(0, 0.15, 2 * angle.size)
        radius = np.repeat(radius, 2) * generator.uniform(0.6, 0.85, 2 * radius.size)
    return np.concatenate(levels[:2], axis=1), np.concatenate(levels[2:], axis=1)


def _branch(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    angle: NDArray[np.float64],
    *,
    side: NDArray[np.float64],
    reach: NDArray[np.float64],
    bend: NDArray[np.float64],
    radius: NDArray[np.float64],
    size: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Walk all branches of one level: return their points (3, n) and the ends' x, y and angle.

    Angles are from the horizontal, outwards, positive is down.
    """
    steps = max(5, math.ceil(0.6 * size * float(reach.max())))
    along = (np.arange(steps) + 0.5) / steps
    heading = angle[:, None] + bend[:, None] * along
    step = (reach / steps)[:, None]
    px = x[:, None] + np.cumsum(step * np.cos(heading), axis=1) * side[:, None]
    py = y[:, None] + np.cumsum(step * np.sin(heading), axis=1)
    taper = radius[:, None] * (1.0 - 0.35 * along)
    mass = math.pi * taper * taper * HALF_FILM_CM * step
    return np.stack([px.ravel(), py.ravel(), mass.ravel()]), px[:, -1], py[:, -1], heading[:, -1]


def _splat(points: NDArray[np.float64], phantom: Phantom, geometry: Geometry, *, size: int) -> Field:
    shot = phantom.acquisition
    depth = max(geometry.dome_left, geometry.dome_right) - geometry.apex
    x = points[0] * (geometry.wall / 0.73)
    y = geometry.apex + depth * (0.60 + points[1] / 1.15)
    cosine, sine = math.cos(math.radians(shot.tilt)) * shot.zoom, math.sin(math.radians(shot.tilt)) * shot.zoom
    column = (x * cosine - y * sine + shot.shift_x + 1.0) * (size / 2) - 0.5
    row = (x * sine + y * cosine + shot.shift_y + 1.0) * (size / 2) - 0.5
    kept = (column >= 0) & (column < size - 1) & (row >= 0) & (row < size - 1)
    column, row, mass = column[kept], row[kept], points[2][kept] * (shot.zoom * size / 2) ** 2
    left, top = column.astype(np.intp), row.astype(np.intp)
    right_share, bottom_share = column - left, row - top
    corner = top * size + left
    total = np.zeros(size * size)
    for offset, share in (
        (0, (1 - right_share) * (1 - bottom_share)),
        (1, right_share * (1 - bottom_share)),
        (size, (1 - right_share) * bottom_share),
        (size + 1, right_share * bottom_share),
    ):
        total += np.bincount(corner + offset, weights=mass * share, minlength=size * size)
    return total.astype(np.float32).reshape(size, size)
