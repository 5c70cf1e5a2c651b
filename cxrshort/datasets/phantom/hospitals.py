"""The simulated hospitals: who made the machine, which views they take, and the style of each of their rooms."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxrshort.datasets.phantom.styles import SHORTCUTS, STYLE_FIELDS, Style

Range = tuple[float, float]


@dataclass(frozen=True)
class Room:
    """Hold the range from which each number of a style is drawn, and how often patients are filmed AP.

    Args:
        marker_texts: the markers in use, chosen evenly.
        marker_frame: see ``Style``.
        ap_share: part of the radiographs taken AP, 0 to 1.
        border_brightness: see ``Style``; the remaining arguments are (low, high) of the style's number of that name.
    """

    marker_texts: tuple[str, ...]
    marker_frame: str
    ap_share: float
    border_brightness: float
    marker_x: Range
    marker_y: Range
    marker_height: Range = (0.05, 0.06)
    marker_brightness: Range = (0.85, 1.0)
    border_left: Range = (0.0, 0.02)
    border_right: Range = (0.0, 0.02)
    border_top: Range = (0.0, 0.02)
    border_bottom: Range = (0.0, 0.02)
    shoulder_raise: Range = (-0.3, 0.3)
    arm_spread: Range = (0.3, 0.8)
    exposure: Range = (-0.08, 0.08)
    gain: Range = (0.9, 1.1)
    grain: Range = (0.1, 0.4)


@dataclass(frozen=True)
class Hospital:
    """Describe a hospital: the maker of its X-ray machines, the DICOM modality they write, and its rooms."""

    manufacturer: str
    modality: str
    rooms: tuple[Room, ...]


_UPRIGHT_LEFT = Room(
    marker_texts=("L",),
    marker_frame="none",
    ap_share=0.3,
    border_brightness=0.0,
    marker_x=(0.88, 0.92),
    marker_y=(0.03, 0.10),
    shoulder_raise=(-0.8, -0.1),
    arm_spread=(0.5, 1.0),
    exposure=(0.10, 0.30),
    gain=(0.80, 1.0),
)
_PORTABLE_RIGHT = Room(
    marker_texts=("R",),
    marker_frame="plate",
    ap_share=0.75,
    border_brightness=0.0,
    marker_x=(0.03, 0.07),
    marker_y=(0.04, 0.12),
    border_left=(0.0, 0.05),
    border_right=(0.0, 0.05),
    border_top=(0.02, 0.06),
    border_bottom=(0.02, 0.06),
    shoulder_raise=(0.1, 0.9),
    arm_spread=(0.0, 0.5),
    exposure=(-0.35, -0.10),
    gain=(1.0, 1.25),
    grain=(0.4, 0.8),
)
_REGION_UPRIGHT = Room(
    marker_texts=("R",),
    marker_frame="ring",
    ap_share=0.4,
    border_brightness=0.0,
    marker_x=(0.04, 0.09),
    marker_y=(0.05, 0.10),
    shoulder_raise=(-0.5, 0.3),
    exposure=(-0.05, 0.20),
    grain=(0.1, 0.35),
)
_REGION_WARD = Room(
    marker_texts=("R",),
    marker_frame="ring",
    ap_share=0.55,
    border_brightness=0.0,
    marker_x=(0.04, 0.09),
    marker_y=(0.20, 0.30),
    border_top=(0.01, 0.04),
    border_bottom=(0.01, 0.04),
    shoulder_raise=(-0.2, 0.7),
    exposure=(-0.20, 0.05),
    gain=(0.95, 1.15),
    grain=(0.25, 0.5),
)
_SHARED_UPRIGHT = Room(
    marker_texts=("L",),
    marker_frame="plate",
    ap_share=0.4,
    border_brightness=0.0,
    marker_x=(0.82, 0.86),
    marker_y=(0.04, 0.10),
    shoulder_raise=(-0.5, 0.2),
    exposure=(-0.05, 0.15),
    grain=(0.1, 0.35),
)
_SHARED_WARD = Room(
    marker_texts=("R",),
    marker_frame="none",
    ap_share=0.6,
    border_brightness=0.9,
    marker_x=(0.05, 0.09),
    marker_y=(0.12, 0.20),
    border_left=(0.0, 0.03),
    border_right=(0.0, 0.03),
    shoulder_raise=(-0.2, 0.5),
    exposure=(-0.15, 0.05),
    gain=(0.85, 1.05),
    grain=(0.25, 0.5),
)

_UNSEEN_UPRIGHT = Room(
    marker_texts=("L",),
    marker_frame="ring",
    ap_share=0.4,
    border_brightness=0.0,
    marker_x=(0.78, 0.86),
    marker_y=(0.02, 0.06),
    marker_height=(0.04, 0.05),
    border_left=(0.01, 0.04),
    border_right=(0.01, 0.04),
    shoulder_raise=(-0.6, 0.4),
    exposure=(-0.05, 0.20),
    gain=(0.85, 1.05),
)
_UNSEEN_WARD = Room(
    marker_texts=("R",),
    marker_frame="none",
    ap_share=0.6,
    border_brightness=0.6,
    marker_x=(0.08, 0.16),
    marker_y=(0.02, 0.08),
    border_top=(0.0, 0.04),
    border_bottom=(0.0, 0.04),
    shoulder_raise=(-0.3, 0.7),
    exposure=(-0.20, 0.05),
    gain=(0.9, 1.15),
    grain=(0.2, 0.6),
)

HOSPITALS: Mapping[str, Hospital] = {
    "site-a": Hospital("Meridian", "CR", (_UPRIGHT_LEFT,)),
    "site-b": Hospital("Aurora", "DX", (_PORTABLE_RIGHT,)),
    "site-c": Hospital("Helios", "CR", (_REGION_UPRIGHT,)),
    "site-d": Hospital("Helios", "DX", (_REGION_WARD,)),
    "site-e": Hospital("Aurora", "DX", (_SHARED_UPRIGHT,)),
    "site-f": Hospital("Meridian", "CR", (_SHARED_WARD,)),
    "site-g": Hospital("Solaris", "DX", (_UNSEEN_UPRIGHT, _UNSEEN_WARD)),
}
"""Site g is the unseen hospital: its two rooms look like no room of the others, and see both classes equally often."""

ROOMS = tuple(room for hospital in HOSPITALS.values() for room in hospital.rooms)

COMMON_AP_SHARE = sum(room.ap_share for room in ROOMS) / len(ROOMS)
"""Share of AP in every room where the view is no planted shortcut, 0 to 1."""


def draw_style(room: Room, generator: np.random.Generator, *, shortcuts: Collection[str] = tuple(SHORTCUTS)) -> Style:
    """Draw the style of one radiograph from the ranges of a room.

    What is no planted shortcut comes from the ranges of all rooms, any of them equally likely, so that its distribution
    is the same wherever the film is made. Two rooms with generators in the same state differ in the shortcuts alone.

    Args:
        room: the ranges.
        generator: source of randomness; every call draws the same number of values.
        shortcuts: the names of ``SHORTCUTS`` in which rooms differ.
    """
    values: dict[str, Any] = {}
    for shortcut, names in STYLE_FIELDS.items():
        anywhere = ROOMS[int(generator.integers(len(ROOMS)))]
        source = room if shortcut in shortcuts else anywhere
        values |= {name: _choose(source, name, float(generator.random())) for name in names}
    return Style(**values)


def ap_share(room: Room, *, shortcuts: Collection[str] = tuple(SHORTCUTS)) -> float:
    """Return the share of a room's radiographs that are taken AP, 0 to 1: its own where the view is a shortcut."""
    return room.ap_share if "view" in shortcuts else COMMON_AP_SHARE


def _choose(room: Room, name: str, where: float) -> str | float:
    """Return the value of a style's parameter that lies at ``where``, 0 to below 1, in the range of a room."""
    if name == "marker_text":
        return room.marker_texts[int(where * len(room.marker_texts))]
    allowed: str | float | Range = getattr(room, name)
    if not isinstance(allowed, tuple):
        return allowed
    low, high = allowed
    return low + where * (high - low)
