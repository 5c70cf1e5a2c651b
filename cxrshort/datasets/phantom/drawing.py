"""Draw a phantom: solids, line integrals, Beer-Lambert, quantum noise, display curve, film edges, marker.

The film is linear in attenuation, so everything acts on A, the logarithm of the exposure lost along each ray; the
display turns it into grey with bone white. Nothing is normalised by the picture's own statistics: that would let a
change in one place alter all the others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxrshort.columns import MASK_BITS
from cxrshort.datasets.phantom import findings
from cxrshort.datasets.phantom.anatomy import (
    Body,
    Field,
    Frame,
    Geometry,
    build_body,
    film_grid,
    measure_geometry,
    place_frame,
    spline_basis,
)
from cxrshort.datasets.phantom.markers import Box, Marker, lay_marker
from cxrshort.datasets.phantom.parameters import Phantom
from cxrshort.datasets.phantom.styles import Style
from cxrshort.datasets.phantom.vessels import draw_vessels
from cxrshort.errors import UsageError

SMALLEST = 32
LARGEST = 2048
TISSUE_PER_CM = 0.19
BONE_PER_CM = 0.33
CENTRE = 2.45
LUNG_DENSITY = 0.26
"""Attenuation of water and, beyond it, of bone at about 80 keV; density of an inflated lung in that of water."""


@dataclass(frozen=True)
class Drawing:
    """Hold a drawn radiograph.

    Args:
        pixels: uint8 (size, size), bone white.
        masks: uint8 (size, size), the bits of ``columns.MASK_BITS``.
        regions: half-open boxes (x0, y0, x1, y1) in pixels: ``marker`` where there is one, and ``shoulder_right`` and
            ``shoulder_left``, the patient's, each holding that side's clavicle and shoulder out to the film's edge.
    """

    pixels: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    regions: dict[str, Box]


def draw_phantom(phantom: Phantom, *, size: int) -> Drawing:
    """Draw a radiograph from its parameters alone: the same phantom and size give the same bytes.

    Args:
        phantom: the parameters.
        size: height and width in pixels, 32 to 2048.

    Raises:
        UsageError: a size out of range.

    Example:
        >>> from cxrshort.datasets.phantom.cohort import sample_phantoms
        >>> draw_phantom(sample_phantoms("phantom-I", images=1, confounding=None, seed=0)[0], size=64).pixels.shape
        (64, 64)
    """
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"size '{size}' is not from {SMALLEST} to {LARGEST}", "try --size 224")
    geometry = measure_geometry(phantom)
    frame = place_frame(phantom, geometry, size=size)
    body = build_body(phantom, geometry, frame)
    marker = lay_marker(phantom.style, size=size)
    pixels = _develop(phantom, _attenuation(phantom, geometry, frame, body), size=size)
    _cover_border(pixels, phantom.style, size=size)
    if marker is not None:
        x0, y0, x1, y1 = marker.box
        pixels[y0:y1, x0:x1] += marker.cover * (marker.brightness - pixels[y0:y1, x0:x1])
    masks = _masks(frame, body, marker)
    return Drawing(
        pixels=np.rint(np.clip(pixels, 0.0, 1.0) * 255.0).astype(np.uint8),
        masks=masks,
        regions=_regions(frame, body, marker),
    )


def _attenuation(phantom: Phantom, geometry: Geometry, frame: Frame, body: Body) -> Field:
    size = frame.x.shape[0]
    grain = _grain(phantom.seed, size)
    lung = np.maximum(body.lung - 1.05 * body.centre, 0.0)
    clear = np.minimum(lung * 0.25, 1.0)
    chest = findings.Chest(geometry=geometry, frame=frame, air=clear, grain=grain)
    vessels = draw_vessels(phantom, geometry, size=size) * clear
    # A lung can only be as dense as water: what it holds already leaves no more room than its air.
    room = (1.0 - LUNG_DENSITY) * lung
    water = np.minimum(findings.water(phantom, chest) + 2.4 * vessels, room)
    dense = body.tissue - room + water + findings.solid(phantom, chest) + grain * 0.28
    dense -= _trachea(frame) + _gastric_bubble(phantom, geometry, frame)
    bone = body.bone * (1.0 - findings.veil(phantom, chest))
    return TISSUE_PER_CM * np.maximum(dense, 0.0) + BONE_PER_CM * bone


def _trachea(frame: Frame) -> Field:
    x = frame.x * (1.0 / 0.038)
    length = np.clip((-0.14 - frame.y) * 10.0, 0.0, 1.0)
    return 1.9 * np.sqrt(np.maximum(1.0 - x * x, 0.0)) * length


def _gastric_bubble(phantom: Phantom, geometry: Geometry, frame: Frame) -> Field:
    seed = phantom.patient.anatomy_seed
    x = (frame.x - 0.28 - 0.04 * (seed % 5)) * (1.0 / (0.06 + 0.025 * (seed % 7)))
    y = (frame.y - geometry.dome_left - 0.10 - 0.01 * (seed % 6)) * (1.0 / (0.035 + 0.012 * (seed % 5)))
    return 0.9 * (seed % 6) * np.sqrt(np.maximum(1.0 - x * x - y * y, 0.0))


def _develop(phantom: Phantom, attenuation: Field, *, size: int) -> Field:
    """Add quantum noise and map attenuation to grey in [0, 1]."""
    shot, style = phantom.acquisition, phantom.style
    generator = np.random.default_rng([phantom.seed if phantom.noise_seed is None else phantom.noise_seed, 2])
    noise = generator.standard_normal((size, size), dtype=np.float32)
    noise[:, 1:] += style.grain * noise[:, :-1]
    noise[1:, :] += style.grain * noise[:-1, :]
    # The count behind attenuation A is N exp(-A), so the noise of its logarithm grows as exp(A / 2).
    attenuation = attenuation + 0.0065 * shot.noise * min(1.0, size / 256) ** 0.5 * noise * np.exp(
        0.5 * np.minimum(attenuation, 5.0)
    )
    slope = 0.95 * shot.contrast * style.gain
    grey = 1.0 / (1.0 + np.exp(-slope * (attenuation - CENTRE - shot.exposure - style.exposure)))
    floor = 1.0 / (1.0 + np.exp(slope * CENTRE))
    scaled: Field = ((grey - floor) * (0.97 / (1.0 - floor))).astype(np.float32)
    return scaled


def _grain(seed: int, size: int) -> Field:
    """Return smooth noise (size, size) of mean 0 and standard deviation near 1, the same pattern at every size."""
    generator = np.random.default_rng([seed, 1])
    coarse, fine = spline_basis(size, 14), spline_basis(size, 40)
    total = coarse @ generator.standard_normal((14, 14), dtype=np.float32) @ coarse.T
    return 1.1 * total + 0.8 * (fine @ generator.standard_normal((40, 40), dtype=np.float32) @ fine.T)


def _cover_border(pixels: Field, style: Style, *, size: int) -> None:
    """Lay the collimated border over ``pixels``, in place; its edge is as soft as a shutter's shadow."""
    across, down = film_grid(size)
    sharp = min(60.0, size / 2)
    open_x = np.clip((across + 1.0 - 2.0 * style.border_left) * sharp, 0, 1) * np.clip(
        (1.0 - across - 2.0 * style.border_right) * sharp, 0, 1
    )
    open_y = np.clip((down + 1.0 - 2.0 * style.border_top) * sharp, 0, 1) * np.clip(
        (1.0 - down - 2.0 * style.border_bottom) * sharp, 0, 1
    )
    pixels -= style.border_brightness
    pixels *= open_x
    pixels *= open_y
    pixels += style.border_brightness


def _masks(frame: Frame, body: Body, marker: Marker | None) -> NDArray[np.uint8]:
    heart = body.heart > 2.0
    # Lungs as readers outline them: down to the dome, without heart and mediastinum.
    lungs = (body.lung - 1.05 * body.centre > 0.5) & (body.lung > 4.0) & ~heart
    masks = lungs * np.uint8(MASK_BITS["lungs"])
    masks |= heart * np.uint8(MASK_BITS["heart"])
    masks |= ((body.mediastinum > 2.0) & ~heart & ~lungs) * np.uint8(MASK_BITS["mediastinum"])
    masks |= (body.clavicles > 0) * np.uint8(MASK_BITS["clavicles"])
    if marker is not None:
        x0, y0, x1, y1 = marker.box
        masks[y0:y1, x0:x1] |= (marker.cover >= 0.5) * np.uint8(MASK_BITS["marker"])
    return masks


def _regions(frame: Frame, body: Body, marker: Marker | None) -> dict[str, Box]:
    clavicles = body.clavicles > 0
    regions = {} if marker is None else {"marker": marker.box}
    for name, side in (("shoulder_right", ~frame.left), ("shoulder_left", frame.left)):
        rows, columns = np.nonzero(clavicles & side)
        if rows.size:
            regions[name] = _shoulder_box(rows, columns, size=frame.x.shape[0], left=name == "shoulder_left")
    return regions


def _shoulder_box(rows: NDArray[np.intp], columns: NDArray[np.intp], *, size: int, left: bool) -> Box:
    """Return the box of one clavicle, with the soft tissue above, out to the edge of the film.

    It holds two thirds of the change of grey by another height of the shoulders; the rest is in the arms.
    """
    above, below = round(0.13 * size), round(0.05 * size)
    x0, x1 = (int(columns.min()), size) if left else (0, int(columns.max()) + 1)
    return x0, max(0, int(rows.min()) - above), x1, min(size, int(rows.max()) + 1 + below)
