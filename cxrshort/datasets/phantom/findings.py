"""Findings as attenuation: centimetres of water that each adds, negative where air replaces tissue.

Every finding is placed by its own generator, made from the patient's seed and the label, so that adding or removing one
moves no other. Severity runs from barely visible to obvious.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cxrshort.columns import COVID, LABELS
from cxrshort.datasets.phantom.anatomy import Field, Frame, Geometry, spline_basis
from cxrshort.datasets.phantom.parameters import Phantom

MOTTLE_KNOTS = 56
"""Knots of fine noise across the film: one in 7 mm on a film of 40 cm, near the size of a secondary lobule."""


@dataclass(frozen=True)
class Chest:
    """Hold what a finding needs to know of the body it lies in.

    Args:
        geometry: lengths.
        frame: coordinates.
        air: 0 outside, 1 inside the lungs as the ray sees them, (H, W).
        grain: smooth noise with mean 0 and standard deviation 1 that makes shadows uneven, (H, W).
    """

    geometry: Geometry
    frame: Frame
    air: Field
    grain: Field


Finding = Callable[[Chest, float, np.random.Generator], Field]


def water(phantom: Phantom, chest: Chest) -> Field:
    """Return the water that all findings of a phantom add to the lungs, (H, W) in cm."""
    total = np.zeros_like(chest.air)
    for label, severity in phantom.findings:
        if label in FINDINGS:
            generator = np.random.default_rng([phantom.patient.anatomy_seed, LABELS.index(label)])
            total += FINDINGS[label](chest, severity, generator)
    return total


def solid(phantom: Phantom, chest: Chest) -> Field:
    """Return the tissue that findings add outside the lungs, (H, W) in cm; negative where they bring air."""
    total = np.zeros_like(chest.air)
    for label, severity in phantom.findings:
        if label in SOLIDS:
            generator = np.random.default_rng([phantom.patient.anatomy_seed, LABELS.index(label)])
            total += SOLIDS[label](chest, severity, generator)
    return total


def veil(phantom: Phantom, chest: Chest) -> Field | float:
    """Return how far pleural fluid hides what lies in front of and behind it, 0 to 1.

    Scattered radiation fills in the shadows of ribs over fluid; the phantom has no scatter, so the fluid takes their
    contrast itself.
    """
    severity = phantom.severity("Effusion")
    if not severity:
        return 0.0
    generator = np.random.default_rng([phantom.patient.anatomy_seed, LABELS.index("Effusion")])
    hidden: Field = 0.92 * min(1.0, 0.5 + severity) * _fluid(chest, severity, generator) * chest.air
    return hidden


def _blob(chest: Chest, x: float, y: float, *, width: float, height: float) -> Field:
    """Return a soft round shadow with its peak of 1 at (x, y), in half films from the spine."""
    dx = (chest.frame.x - x) * (1.0 / width)
    dy = (chest.frame.y - y) * (1.0 / height)
    # (1 - r^2 / 8)^4 is a Gaussian's look at a third of its cost, and ends.
    fall = np.maximum(1.0 - (dx * dx + dy * dy) * 0.125, 0.0)
    fall *= fall
    return fall * fall


def _ball(chest: Chest, x: float, y: float, *, radius: float) -> Field:
    dx = (chest.frame.x - x) * (1.0 / radius)
    dy = (chest.frame.y - y) * (1.0 / radius)
    return np.maximum(1.0 - dx * dx - dy * dy, 0.0)


def _level(chest: Chest, upward: float) -> float:
    deepest = max(chest.geometry.dome_left, chest.geometry.dome_right)
    return deepest - upward * (deepest - chest.geometry.apex)


def _wall(chest: Chest, upward: float) -> float:
    return chest.geometry.wall * math.sqrt(max(0.0, 1.0 - (0.15 + 0.85 * upward) ** 3))


def _either_side(generator: np.random.Generator) -> float:
    return 1.0 if generator.random() < 0.5 else -1.0


def _uneven(chest: Chest, shadow: Field, amount: float) -> Field:
    return shadow * np.maximum(1.0 + amount * chest.grain, 0.0) * chest.air


def _covid(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    """Draw patches of mottled ground glass, more of them when severe.

    Side, height, depth, size and density of each patch vary freely, with a preference for the wall and the lower zones:
    no place in the film gives the diagnosis away, and what tells it apart is how the patches look.
    """
    count = 2 + round(3 * severity) + int(generator.integers(3))
    lean = float(generator.uniform(0.15, 0.85))
    shadow = np.zeros_like(chest.air)
    for _ in range(count):
        side = 1.0 if generator.random() < lean else -1.0
        up = 0.04 + 0.86 * float(generator.beta(1.2, 2.2))
        x = side * _wall(chest, up) * float(generator.uniform(0.45, 0.92))
        size = math.exp(generator.uniform(math.log(0.045), math.log(0.11)))
        density = float(generator.uniform(0.6, 1.3))
        height = size * float(generator.uniform(0.7, 1.5))
        shadow += density * _blob(chest, x, _level(chest, up), width=size, height=height)
    mottled = np.maximum(0.8 + 0.55 * _mottle(chest, generator), 0.1)
    return np.minimum(shadow, 1.3) * mottled * chest.air * (1.2 + 2.4 * severity)


def _mottle(chest: Chest, generator: np.random.Generator) -> Field:
    """Return fine noise of mean 0 and standard deviation near 1, about as coarse as the lung's lobules."""
    basis = spline_basis(chest.air.shape[0], MOTTLE_KNOTS)
    knots = generator.standard_normal((MOTTLE_KNOTS, MOTTLE_KNOTS), dtype=np.float32)
    # The weights of a cubic B-spline have a mean square of 0.48 along each axis.
    mottle: Field = (basis @ knots @ basis.T) * np.float32(1.0 / 0.48)
    return mottle


def _pneumonia(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    side, up = _either_side(generator), float(generator.uniform(0.1, 0.6))
    x = side * _wall(chest, up) * float(generator.uniform(0.42, 0.75))
    size = 0.08 + 0.06 * severity
    return _uneven(chest, _blob(chest, x, _level(chest, up), width=size * 1.15, height=size), 0.4) * (
        1.5 + 4.0 * severity
    )


def _consolidation(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    side = _either_side(generator)
    upper = generator.random() < 0.5
    fissure = _level(chest, 0.62 if upper else 0.42) + 0.05 * chest.frame.across
    edge = (fissure - chest.frame.y if upper else chest.frame.y - fissure) * 30.0
    reach = np.clip(1.0 - np.abs(edge) / (30.0 * (0.15 + 0.3 * severity)), 0.0, 1.0)
    lobe = np.clip(edge + 0.5, 0.0, 1.0) * reach * (chest.frame.left == (side > 0))
    return _uneven(chest, lobe, 0.3) * (2.0 + 4.5 * severity)


def _infiltration(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    shadow = np.zeros_like(chest.air)
    side = _either_side(generator)
    for _ in range(3):
        up = float(generator.uniform(0.15, 0.7))
        x = side * _wall(chest, up) * float(generator.uniform(0.3, 0.7))
        shadow += _blob(chest, x, _level(chest, up), width=0.09, height=0.11)
    return _uneven(chest, shadow, 0.8) * (0.8 + 2.0 * severity)


def _edema(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    """Draw the bat's wing: both hila, fading towards the wall, veiled bases."""
    wing = np.zeros_like(chest.air)
    for side in (-1.0, 1.0):
        up = 0.42 + 0.06 * float(generator.random())
        wing += _blob(chest, side * 0.27, _level(chest, up), width=0.11, height=0.16)
    veil = 0.35 * (1.0 - chest.frame.upward)
    return _uneven(chest, wing + veil, 0.35) * (1.0 + 3.2 * severity)


def _effusion(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    """Draw fluid that fills the base and climbs the wall (the meniscus)."""
    return _fluid(chest, severity, generator) * chest.air * (3.0 + 9.0 * min(1.0, 2.0 * severity))


def _fluid(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    """Return where pleural fluid stands, 0 above its level to 1 below."""
    side = _either_side(generator)
    both = generator.random() < 0.3
    dome = np.where(chest.frame.left, np.float32(chest.geometry.dome_left), np.float32(chest.geometry.dome_right))
    climb = np.maximum(chest.frame.across / chest.geometry.wall, 0.0) ** 4
    surface = dome + 0.10 - 0.42 * severity - 0.16 * climb
    depth = np.clip((chest.frame.y - surface) * 9.0, 0.0, 1.0)
    where = 1.0 if both else (chest.frame.left == (side > 0)).astype(np.float32)
    fluid: Field = depth * where
    return fluid


def _atelectasis(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    """Draw plate-like bands above the diaphragm."""
    total = np.zeros_like(chest.air)
    for _ in range(1 + round(2 * severity)):
        side = _either_side(generator)
        up = float(generator.uniform(0.06, 0.3))
        slope = float(generator.uniform(-0.25, 0.25))
        x, y = side * _wall(chest, up) * float(generator.uniform(0.45, 0.75)), _level(chest, up)
        band = np.maximum(1.0 - (np.abs(chest.frame.y - y - slope * (chest.frame.x - x))) / 0.022, 0.0)
        total += band * _blob(chest, x, y, width=0.08, height=0.08)
    return total * chest.air * (1.5 + 3.5 * severity)


def _round(chest: Chest, generator: np.random.Generator, *, radius: float, centimetres: float) -> Field:
    side, up = _either_side(generator), float(generator.uniform(0.15, 0.8))
    x = side * _wall(chest, up) * float(generator.uniform(0.45, 0.8))
    return _ball(chest, x, _level(chest, up), radius=radius) * chest.air * centimetres


def _mass(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    return _round(chest, generator, radius=0.09 + 0.10 * severity, centimetres=2.5 + 4.0 * severity)


def _nodule(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    return _round(chest, generator, radius=0.032 + 0.04 * severity, centimetres=2.0 + 3.0 * severity)


def _hernia(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    """Draw a stomach behind the heart: a round mass with a fluid level, air above it."""
    x, y, radius = _pouch(chest, severity, generator)
    # The outline is steep, as of any round solid, so that it shows through the heart.
    pouch = np.sqrt(_ball(chest, x, y, radius=radius))
    level = np.clip((y - 0.15 * radius - chest.frame.y) * 40.0 + 0.5, 0.0, 1.0)
    air = np.sqrt(_ball(chest, x, y, radius=0.86 * radius)) * level
    return (pouch * (1.0 - 0.4 * level) * 4.5 - air * 3.4) * (0.55 + 0.45 * severity)


def _pouch(chest: Chest, severity: float, generator: np.random.Generator) -> tuple[float, float, float]:
    """Return the centre and radius of a hiatal hernia, in half films: on the diaphragm, near the midline."""
    radius = 0.13 + 0.11 * severity
    x = float(generator.uniform(-0.03, 0.11))
    # At the midline the diaphragm lies 0.12 below the top of its dome.
    return x, chest.geometry.dome_left + 0.10 - 0.85 * radius, radius


def _pneumothorax(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    """Draw free air outside a thin pleural line; the collapsed lung is a little denser."""
    side = _either_side(generator)
    gap = 0.10 + 0.35 * severity
    rim = (chest.frame.lateral - (1.0 - gap * (0.35 + 1.3 * chest.frame.upward))) * 0.5
    free = np.clip(rim * 60.0, 0.0, 1.0)
    line = np.maximum(1.0 - np.abs(rim) * 60.0, 0.0)
    where = (chest.frame.left == (side > 0)) * np.clip(chest.frame.upward * 5.0 - 0.5, 0.0, 1.0)
    change: Field = (0.9 * line - 2.6 * free + 0.6 * severity * (1.0 - free)) * where * chest.air
    return change


def _emphysema(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    """Draw lungs that are too dark, with bullae in the upper zones."""
    total = -(0.6 + 1.6 * severity) * chest.air
    for side in (-1.0, 1.0):
        up = float(generator.uniform(0.55, 0.85))
        x = side * _wall(chest, up) * float(generator.uniform(0.5, 0.8))
        total -= _ball(chest, x, _level(chest, up), radius=0.10 + 0.06 * severity) * chest.air * severity
    return total


def _fibrosis(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    """Draw a fine net at the bases and along the wall."""
    turn = float(generator.uniform(0, math.pi))
    a = np.sin((chest.frame.x * math.cos(turn) + chest.frame.y * math.sin(turn)) * 85.0 + 1.5 * chest.grain)
    b = np.sin((chest.frame.x * math.sin(turn) - chest.frame.y * math.cos(turn)) * 95.0 + 1.5 * chest.grain)
    net = np.maximum(np.abs(a), np.abs(b)) ** 4
    where = np.clip(0.75 - chest.frame.upward, 0.0, 1.0) * np.clip(0.6 + 0.6 * chest.frame.lateral, 0.0, 1.0)
    return net * where * chest.air * (0.8 + 2.2 * severity)


def _thickening(chest: Chest, severity: float, generator: np.random.Generator) -> Field:
    """Draw a rim along the wall, thickest at the apex."""
    side = _either_side(generator)
    width = 0.10 + 0.16 * severity
    rim = np.clip((chest.frame.lateral - 1.0 + width) / width * 2.0, 0.0, 1.0) + np.clip(
        (chest.frame.upward - 0.93 + 0.05 * severity) * 25.0, 0.0, 1.0
    )
    layer: Field = np.minimum(rim, 1.0) * (chest.frame.left == (side > 0)) * chest.air * (1.5 + 2.5 * severity)
    return layer


FINDINGS: Mapping[str, Finding] = {
    "Atelectasis": _atelectasis,
    "Consolidation": _consolidation,
    "Edema": _edema,
    "Effusion": _effusion,
    "Emphysema": _emphysema,
    "Fibrosis": _fibrosis,
    "Infiltration": _infiltration,
    "Mass": _mass,
    "Nodule": _nodule,
    "Pleural_Thickening": _thickening,
    "Pneumonia": _pneumonia,
    "Pneumothorax": _pneumothorax,
    COVID: _covid,
}
"""Cardiomegaly is missing here: it is the heart's own size, see ``anatomy.measure``; a hernia lies behind the lungs."""

SOLIDS: Mapping[str, Finding] = {"Hernia": _hernia}
"""Findings outside the lungs, whose tissue is not limited by the air that it could replace."""
