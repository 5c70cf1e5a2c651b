"""The body as simple solids: how much soft tissue, air and bone each ray crosses, in centimetres.

Lengths on the film are in half films (the film runs from -1 to 1 both ways, y down); thicknesses along the ray are in
centimetres. The patient's left is on the right of the picture. Nearly everything is symmetric, so both sides are
computed at once from ``across``, the distance from the midline.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrshort.datasets.phantom.parameters import Phantom

Field = NDArray[Any]
RIB_SPACING = 0.128


@dataclass(frozen=True)
class Geometry:
    """Hold the lengths that the parameters decide, in half films unless said otherwise.

    Args:
        apex: height of the lung apices.
        dome_right: height of the right diaphragm dome; ``dome_left`` likewise.
        dome_left: see ``dome_right``.
        wall: half width of the inner chest wall at its widest.
        fat: thickness of the tissue beside the chest wall.
        heart: scale of the heart.
        clavicle: height of the inner ends of the clavicles.
        raised: how far the outer ends of the clavicles stand above the inner ends.
        scapula: distance of the inner border of the scapulae from the midline.
        turn: displacement of front structures against the spine.
        bone: density of bone, 1 in the young.
        knob: radius of the aortic knob.
    """

    apex: float
    dome_right: float
    dome_left: float
    wall: float
    fat: float
    heart: float
    clavicle: float
    raised: float
    scapula: float
    turn: float
    bone: float
    knob: float


@dataclass(frozen=True)
class Frame:
    """Hold the coordinates of every pixel relative to the patient, each (H, W), in half films.

    Args:
        x: distance from the spine, positive on the right of the picture.
        y: height, positive is down.
        across: distance from the midline on the scale of a straight, average chest.
        left: whether the pixel is on the patient's left.
        upward: level in the lung, 0 at its deepest point, 1 at the apex, clipped.
        lateral: -1 at the inner edge of the lung, 1 at the chest wall.
        outer: distance of the inner chest wall from the midline at this level.
        width: width of one lung at this level, 0 above the apex.
    """

    x: Field
    y: Field
    across: Field
    left: NDArray[np.bool_]
    upward: Field
    lateral: Field
    outer: Field
    width: Field


@dataclass(frozen=True)
class Body:
    """Hold what the rays cross, each (H, W) float32.

    Args:
        tissue: thickness of the body, air included, in cm.
        lung: air of the lungs when nothing stands in front, in cm.
        heart: thickness of the heart in cm.
        centre: thickness of heart, great vessels and spine muscles, whichever is larger, in cm.
        mediastinum: thickness of great vessels and spine muscles alone, between the lungs, in cm.
        bone: thickness of bone in cm.
        clavicles: how far a pixel is inside a clavicle, above 0 inside.
    """

    tissue: Field
    lung: Field
    heart: Field
    centre: Field
    mediastinum: Field
    bone: Field
    clavicles: Field


def measure_geometry(phantom: Phantom) -> Geometry:
    """Return the lengths of a phantom's body as this radiograph shows it.

    In AP the heart lies far from the detector and is magnified, the patient breathes less deeply, the clavicles stand
    higher and the scapulae cover the lungs.
    """
    patient, shot, style = phantom.patient, phantom.acquisition, phantom.style
    ap = phantom.view == "AP"
    height = patient.lung_height * (0.96 if ap else 1.0) * (0.92 if patient.sex == "F" else 1.0)
    base = -0.70 + 1.12 * height + 0.12 * (shot.inspiration - 0.6)
    # A heart of 1.3 times the usual width has a cardiothoracic ratio above the 0.5 of the radiologists' rule.
    cardiomegaly = 0.6 * phantom.severity("Cardiomegaly") ** 0.7
    return Geometry(
        apex=-0.72,
        dome_right=base + 0.005 - patient.dome_gap,
        dome_left=base + 0.005,
        wall=0.73 * patient.lung_width,
        fat=0.07 + 0.15 * patient.habitus,
        heart=patient.heart_size * (1.14 if ap else 1.0) * (1 + cardiomegaly),
        clavicle=-0.49 - (0.08 if ap else 0.0),
        raised=0.11 + 0.10 * style.shoulder_raise,
        scapula=(0.56 if ap else 0.68) + 0.05 * style.arm_spread,
        turn=0.05 * shot.rotation,
        bone=1.1 - 0.006 * max(0, patient.age_years - 40) - (0.1 if patient.sex == "F" else 0.0),
        knob=0.058 + 0.0007 * (patient.age_years - 30),
    )


@functools.cache
def film_grid(size: int) -> tuple[Field, Field]:
    """Return the film coordinates of pixel centres as a row (1, W) and a column (H, 1), read-only."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) * (2.0 / size) - 1.0).astype(np.float32)
    line.setflags(write=False)
    return line[None, :], line[:, None]


@functools.cache
def spline_basis(size: int, knots: int) -> Field:
    """Return the (size, knots) matrix of cubic B-spline interpolation of evenly spaced knots, read-only."""
    film = (film_grid(size)[0][0] + 1.0) * 0.5 * (knots - 1)
    distance = np.abs(film[:, None] - np.arange(knots, dtype=np.float32))
    near = 2.0 / 3.0 - distance**2 + 0.5 * distance**3
    far = np.maximum(2.0 - distance, 0.0) ** 3 / 6.0
    matrix: Field = np.where(distance < 1.0, near, far).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def place_frame(phantom: Phantom, geometry: Geometry, *, size: int) -> Frame:
    """Return the coordinates of every pixel of a ``size`` x ``size`` film relative to the patient."""
    shot = phantom.acquisition
    across_film, down_film = film_grid(size)
    cosine = math.cos(math.radians(shot.tilt)) / shot.zoom
    sine = math.sin(math.radians(shot.tilt)) / shot.zoom
    x = (across_film - shot.shift_x) * cosine + (down_film - shot.shift_y) * sine
    y = (down_film - shot.shift_y) * cosine - (across_film - shot.shift_x) * sine
    left = x > 0
    turn = 0.06 * shot.rotation
    across = np.abs(x) * np.where(left, np.float32(1 - turn), np.float32(1 + turn))
    deepest = max(geometry.dome_left, geometry.dome_right) + 0.2
    upward = np.clip((deepest - y) / (deepest - geometry.apex), 0.0, 1.0)
    fourth = upward * upward
    fourth *= fourth
    outer = geometry.wall * np.sqrt(1.0 - fourth) * (1.0 - 0.10 * upward) + 1e-3
    peak = np.maximum(upward - 0.72, 0.0)
    inner = 0.085 + 3.4 * peak * peak
    width = np.maximum(outer - inner, 0.0)
    lateral = (2.0 * across - outer - inner) / (width + 0.02)
    return Frame(x, y, across, left, upward, lateral, outer, width)


def build_body(phantom: Phantom, geometry: Geometry, frame: Frame) -> Body:
    """Return what the rays cross in a healthy or wide-hearted patient; other findings are added later."""
    heart = _heart(geometry, frame)
    clavicle, clavicles = _clavicles(geometry, frame)
    bone = _ribs(geometry, frame) + _spine(frame) + clavicle + _shoulder_bones(geometry, frame)
    mediastinum = _mediastinum(phantom, geometry, frame)
    return Body(
        tissue=_trunk(phantom, geometry, frame),
        lung=_lung(geometry, frame),
        heart=heart,
        centre=np.maximum(heart, mediastinum),
        mediastinum=mediastinum * _above_diaphragm(geometry, frame),
        bone=bone * np.float32(geometry.bone),
        clavicles=clavicles,
    )


def _dome(x: Field) -> Field:
    """Return sqrt(max(0, 1 - x)), the thickness profile of a round solid at squared radius x."""
    return np.sqrt(np.maximum(1.0 - x, 0.0))


def _lung(geometry: Geometry, frame: Frame) -> Field:
    square = frame.lateral * frame.lateral
    depth = 3.0 + 12.5 * np.sqrt(np.maximum(1.0 - frame.upward * frame.upward, 0.0))
    chord = depth * _dome(square * square) * np.minimum(frame.width * 12.0, 1.0)
    below = _below_diaphragm(geometry, frame)
    over = np.clip(0.5 - below * 45.0, 0.0, 1.0)
    # Behind the dome the lung reaches deeper, seen through the abdomen.
    behind = 0.16 * np.maximum(1.0 - np.maximum(below, 0.0) * 6.0, 0.0)
    # The front of the chest wall curves in towards the sides, so the air thins before the wall is reached.
    thin = 1.0 - 0.22 * np.maximum(frame.lateral, 0.0) ** 2
    return chord * thin * (over + (1.0 - over) * behind)


def _below_diaphragm(geometry: Geometry, frame: Frame) -> Field:
    """Return how far each pixel lies below the diaphragm, in half films, negative above it."""
    dome = np.where(frame.left, np.float32(geometry.dome_left), np.float32(geometry.dome_right))
    offset = (frame.across - 0.33) / geometry.wall
    below: Field = frame.y - dome - 0.62 * offset * offset
    return below


def _above_diaphragm(geometry: Geometry, frame: Frame) -> Field:
    """Return where the chest is, as far as height goes: between the apices and the diaphragm, float32 0 or 1."""
    inside: Field = ((_below_diaphragm(geometry, frame) < 0) & (frame.y > geometry.apex)).astype(np.float32)
    return inside


def _heart(geometry: Geometry, frame: Frame) -> Field:
    scale = geometry.heart
    dx = frame.x - geometry.turn - 0.115 * scale
    dy = frame.y - (geometry.dome_left - 0.17)
    along = 0.80 * dx + 0.60 * dy
    beside = -0.60 * dx + 0.80 * dy
    ventricles = (along / (0.335 * scale)) ** 2 + (beside / (0.225 * scale)) ** 2
    ax = (frame.x - geometry.turn + 0.045 * scale) / (0.135 * scale)
    ay = (frame.y - (geometry.dome_left - 0.22)) / (0.26 * scale)
    return np.maximum(11.0 * _dome(ventricles), 9.0 * _dome(ax * ax + ay * ay))


def _mediastinum(phantom: Phantom, geometry: Geometry, frame: Frame) -> Field:
    patient = phantom.patient
    dx = frame.x - 0.6 * geometry.turn
    # Great vessels spread towards the neck; the ascending aorta and the cava bulge to the patient's right.
    inlet = np.maximum(-0.42 - frame.y, 0.0)
    bulge = np.maximum(1.0 - ((frame.y + 0.16) * 3.6) ** 2, 0.0)
    width = 0.095 + 0.035 * patient.habitus + 0.0004 * (patient.age_years - 50) + 0.5 * inlet * inlet
    width = width + np.where(dx < 0, np.float32(0.035), np.float32(-0.005)) * bulge
    column = 10.0 * _dome((dx / width) ** 2)
    kx = (dx - 0.085) / geometry.knob
    ky = (frame.y + 0.22) / (1.25 * geometry.knob)
    knob = 9.0 * _dome(kx * kx + ky * ky)
    px = (dx - 0.075) / 0.105
    py = (frame.y + 0.04) / 0.20
    trunk = 8.0 * _dome(px * px + py * py)
    return np.maximum(np.maximum(column, knob), trunk)


def _trunk(phantom: Phantom, geometry: Geometry, frame: Frame) -> Field:
    habitus = phantom.patient.habitus
    across, y = frame.across, frame.y
    lift = 0.08 * phantom.style.shoulder_raise
    half = geometry.wall + geometry.fat + 0.06 + 0.05 * np.maximum(y, 0.0) * (2.0 * habitus - 0.6)
    ratio = across / half
    ratio = ratio * ratio
    slope = -1.06 + (0.22 - lift) * across + 0.14 * across * across
    under = np.clip((y - slope) * 3.0, 0.0, 1.0)
    shoulder = _dome((1.0 - under) ** 2)
    thickness = 19.0 + 7.0 * habitus
    chest = thickness * _dome(ratio * ratio) * (0.62 + 0.38 * np.clip((y + 0.95) * 1.2, 0.0, 1.0))
    spread = 0.16 * phantom.style.arm_spread
    axis = geometry.wall + geometry.fat + 0.12 + spread * (y + 0.7)
    arm = (9.0 + 2.0 * habitus) * _dome(((across - axis) / (0.24 + 0.05 * habitus)) ** 2)
    deltoid = (9.5 + 2.0 * habitus) * _dome((across / (axis + 0.20)) ** 6) * np.clip((0.05 - y) * 1.7, 0.0, 1.0)
    neck = 11.5 * _dome((across / 0.30) ** 2)
    body = np.maximum(np.maximum(np.maximum(chest, arm), deltoid) * shoulder, neck)
    belly = np.clip((y - geometry.dome_right) * 1.6, 0.0, 1.0) * np.minimum(chest, 3.0) * 2.0
    total: Field = body + belly + _breasts(phantom, geometry, frame)
    return total


def _breasts(phantom: Phantom, geometry: Geometry, frame: Frame) -> Field:
    female = phantom.patient.sex == "F"
    size = (0.75 if female else 0.25) + 0.5 * phantom.patient.habitus
    bx = (frame.across - 0.46 * geometry.wall / 0.73) / (0.30 * (0.8 + 0.25 * size))
    by = (frame.y - 0.10) / (0.26 * (0.8 + 0.25 * size))
    round_ = np.maximum(1.0 - bx * bx - by * by, 0.0)
    lower = np.clip(0.6 + 0.9 * by, 0.0, 1.0)
    return (4.6 if female else 2.0) * size * round_ * lower


def _ribs(geometry: Geometry, frame: Frame) -> Field:
    """Draw all ribs at once as hoops that slope forwards and down.

    A hoop round an elliptic chest projects to y = level -+ slope * sqrt(1 - u^2), u across the chest: one periodic
    profile of that level draws every rear rib, another every front rib.
    """
    u = frame.across / (frame.outer + 0.02)
    inside = np.clip((1.0 - u) * 40.0, 0.0, 1.0) * np.clip((frame.upward - 0.05) * 8.0, 0.0, 1.0)
    round_ = np.sqrt(np.maximum(1.0 - u * u, 0.0004))
    oblique = np.minimum(0.4 / round_, 1.1) + 0.65
    rise = 0.30 * round_
    rear = _hoop((frame.y + rise - geometry.apex - 0.05) / RIB_SPACING, half=0.27)
    front = _hoop((frame.y - 0.62 * rise - geometry.apex - 0.11) / RIB_SPACING, half=0.30)
    fade = np.clip((u - 0.38) * 5.0, 0.0, 1.0)
    spread = np.clip((u - 0.10) * 12.0, 0.0, 1.0)
    return (1.15 * rear * spread + 0.5 * front * fade) * oblique * inside


def _hoop(level: Field, *, half: float) -> Field:
    """Return the thickness of a hollow tube repeated at every whole ``level``, in cm."""
    phase = (level - np.rint(level)) / half
    square = phase * phase
    return 0.85 * (_dome(square) - 0.55 * _dome(square * 1.55))


def _spine(frame: Frame) -> Field:
    vertebra = (frame.y + 1.0) / 0.135
    phase = vertebra - np.rint(vertebra)
    plate = np.clip(1.0 - np.abs(np.abs(phase) - 0.40) * 14.0, 0.0, 1.0)
    disc = np.clip((np.abs(phase) - 0.42) * 20.0, 0.0, 1.0)
    body = _dome((frame.x / 0.090) ** 2) * (1.0 + 0.35 * plate - 0.4 * disc)
    process = _dome((frame.x / 0.02) ** 2 + (phase / 0.3) ** 2)
    pedicle = _dome(((np.abs(frame.x) - 0.055) / 0.016) ** 2 + ((phase + 0.1) / 0.18) ** 2)
    return 0.85 * body + 0.45 * process + 0.30 * pedicle


def _clavicles(geometry: Geometry, frame: Frame) -> tuple[Field, Field]:
    start, end = 0.065, 0.70
    along = (frame.across - geometry.turn * np.where(frame.left, np.float32(1), np.float32(-1)) - start) / (end - start)
    curve = geometry.clavicle - geometry.raised * along - 0.022 * np.sin(np.float32(2 * math.pi) * np.clip(along, 0, 1))
    half = 0.030 + 0.012 * (2.0 * along - 1.0) ** 2
    phase = (frame.y - curve) / half
    ends = np.clip(np.minimum(along * 14.0, (1.0 - along) * 6.0), 0.0, 1.0)
    square = phase * phase
    tube = (_dome(square) - 0.45 * _dome(square * 1.5)) * ends
    return 2.6 * tube, np.maximum(1.0 - square, 0.0) * ends


def _shoulder_bones(geometry: Geometry, frame: Frame) -> Field:
    lift = geometry.raised - 0.11
    y = frame.y + lift
    # The inner border of the scapula runs down and inwards; the blade thins away from it.
    border = geometry.scapula - 0.10 * y + 0.20 * (y + 0.5) * (y + 0.5)
    depth = (frame.across - border) / 0.22
    height = np.clip((y + 0.62) * 9.0, 0.0, 1.0) * np.clip((0.10 - y) * 4.0, 0.0, 1.0)
    blade = np.clip(depth * 14.0, 0.0, 1.0) * np.clip(1.0 - depth, 0.0, 1.0) * height
    rim = np.maximum(1.0 - np.abs(depth - 0.05) * 14.0, 0.0) * height
    shaft = geometry.wall + geometry.fat + 0.08
    head = _dome(((frame.across - shaft) / 0.12) ** 2 + ((y + 0.55) / 0.13) ** 2)
    humerus = _dome(((frame.across - shaft - 0.06) / 0.065) ** 2) * np.clip((y + 0.5) * 6.0, 0.0, 1.0)
    thickness: Field = 0.9 * blade + 0.35 * rim + 1.5 * np.maximum(head, humerus)
    return thickness
