"""What each finding adds to the lungs: centimetres of water where it is dense, negative where air replaces tissue.

Every finding is placed by its own generator, made from the patient's seed and the label, so that adding or removing one
moves no other. Severity runs from barely visible to obvious.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cxrshort.columns import COVID, LABELS
from cxrshort.datasets.phantom.anatomy import Field, Frame, Geometry
from cxrshort.datasets.phantom.parameters import Phantom


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
    """Draw ground-glass patches in both lungs, along the wall, mostly in the lower zones."""
    count = 3 + round(4 * severity)
    shadow = np.zeros_like(chest.air)
    for number in range(count):
        side = 1.0 if number % 2 else -1.0
        up = float(generator.beta(1.6, 3.0)) * 0.75
        x = side * _wall(chest, up) * float(generator.uniform(0.72, 0.92))
        size = float(generator.uniform(0.055, 0.10)) * (0.8 + 0.5 * severity)
        shadow += _blob(chest, x, _level(chest, up), width=size, height=size * float(generator.uniform(0.9, 1.6)))
    return _uneven(chest, np.minimum(shadow, 1.3), 0.35) * (0.4 + 2.0 * severity)


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
    side = _either_side(generator)
    both = generator.random() < 0.3
    dome = np.where(chest.frame.left, np.float32(chest.geometry.dome_left), np.float32(chest.geometry.dome_right))
    climb = np.maximum(chest.frame.across / chest.geometry.wall, 0.0) ** 4
    surface = dome + 0.10 - 0.42 * severity - 0.16 * climb
    depth = np.clip((chest.frame.y - surface) * 9.0, 0.0, 1.0)
    where = 1.0 if both else (chest.frame.left == (side > 0)).astype(np.float32)
    return depth * where * chest.air * (3.0 + 9.0 * min(1.0, 2.0 * severity))


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
    """Draw a stomach behind the heart: a round shadow with air on top."""
    x = float(generator.uniform(-0.02, 0.10))
    y = chest.geometry.dome_left - 0.10
    radius = 0.11 + 0.09 * severity
    pouch = _ball(chest, x, y, radius=radius)
    air = _ball(chest, x, y - 0.25 * radius, radius=radius * 0.75) * np.clip((y - chest.frame.y) * 40.0 + 0.5, 0.0, 1.0)
    return (2.5 * pouch - 8.0 * air) * (0.4 + 0.6 * severity)


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
    "Hernia": _hernia,
    "Infiltration": _infiltration,
    "Mass": _mass,
    "Nodule": _nodule,
    "Pleural_Thickening": _thickening,
    "Pneumonia": _pneumonia,
    "Pneumothorax": _pneumothorax,
    COVID: _covid,
}
"""Cardiomegaly is missing here: it is the heart's own size, see ``anatomy.measure``."""
