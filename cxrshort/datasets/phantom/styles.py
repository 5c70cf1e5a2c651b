"""The acquisition style of a radiograph: everything that a room leaves on the film and that no disease explains."""

from collections.abc import Mapping
from dataclasses import dataclass

SHORTCUTS: Mapping[str, str] = {
    "marker": "laterality marker: its letter, make, place, height and brightness",
    "border": "collimated border: its width on each side and its brightness",
    "shoulders": "height of the shoulders and clavicles, spread of the arms",
    "exposure": "display curve: its shift and its slope",
    "grain": "correlation of the noise between neighbouring pixels",
    "view": "share of the radiographs taken AP, which magnifies the heart and raises the clavicles",
}
"""The styles that can give the diagnosis away, which ``build-dataset --shortcut`` plants one at a time."""

STYLE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "marker": ("marker_text", "marker_frame", "marker_x", "marker_y", "marker_height", "marker_brightness"),
    "border": ("border_left", "border_right", "border_top", "border_bottom", "border_brightness"),
    "shoulders": ("shoulder_raise", "arm_spread"),
    "exposure": ("exposure", "gain"),
    "grain": ("grain",),
    "view": (),
}
"""The parameters of :class:`Style` that each shortcut consists of; the view is no part of a style but of the film."""

FRAMES = ("none", "plate", "ring")
"""How a laterality marker is made: bare lead letters, letters cut out of a plate, letters in a ring."""


@dataclass(frozen=True)
class Style:
    """Describe how one room makes a radiograph; these are the shortcuts that a classifier can take.

    Positions and lengths are fractions of the film, origin top left, so a style means the same at every size.

    Args:
        marker_text: letters of the laterality marker, such as ``"L"``; empty when there is none.
        marker_frame: one of ``FRAMES``.
        marker_x: left edge of the marker, 0 to 1.
        marker_y: top edge of the marker, 0 to 1.
        marker_height: height of its letters, 0 to 1.
        marker_brightness: 0 (black) to 1 (white).
        border_left: width of the collimated border on that side, 0 to 0.2; likewise the other three.
        border_right: see ``border_left``.
        border_top: see ``border_left``.
        border_bottom: see ``border_left``.
        border_brightness: 0 (shutter) to 1 (unexposed film edge).
        shoulder_raise: how far the shoulders and clavicles stand above their usual place, -1 to 1.
        arm_spread: how far the arms are held from the trunk, 0 to 1.
        exposure: shift of the display curve that the machine adds to the film's own, negative is paler, -1 to 1.
        gain: slope of the display curve, 0.7 to 1.4.
        grain: correlation of the noise between neighbouring pixels, 0 to 1.
    """

    marker_text: str
    marker_frame: str
    marker_x: float
    marker_y: float
    marker_height: float
    marker_brightness: float
    border_left: float
    border_right: float
    border_top: float
    border_bottom: float
    border_brightness: float
    shoulder_raise: float
    arm_spread: float
    exposure: float
    gain: float
    grain: float
