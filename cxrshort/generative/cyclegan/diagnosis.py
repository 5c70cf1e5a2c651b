"""What goes wrong in adversarial training, in words, from the losses and samples of a run.

A judgement needs several looks in a row, since both losses swing: the last quarter of the run, three looks at least.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrshort.generative.cyclegan.losses import UNDECIDED
from cxrshort.generative.cyclegan.networks import DIRECTIONS, Direction

_WON = 0.05
"""A discriminator whose loss is below this share of an undecided one's has won: 0.0125 with least squares, which scores
of real and made pictures have that lie 0.84 apart."""
_COLLAPSED = 0.1
"""Transformed images that differ from each other by less than this share of what their originals do are one image."""
_UNCHANGED = 0.5
"""Mean change in grey values of 255 below which no 8-bit image changes on average."""
_FEWEST_LOOKS = 3


def measure_change(originals: npt.NDArray[np.uint8], made: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Return how much images change, and how different from each other they still are.

    Args:
        originals: (n, ...), 8 bits.
        made: what a generator makes of them.

    Returns:
        ``change``, the mean |difference| in grey values of 255; ``spread``, the standard deviation over images of what
        was made, averaged over pixels, as a share of that of the originals; 1 for a single image or equal originals.
    """
    before, after = originals.astype(np.float64), made.astype(np.float64)
    spread = float(before.std(axis=0).mean())
    return {
        "change": float(np.abs(after - before).mean()),
        "spread": float(after.std(axis=0).mean()) / spread if spread else 1.0,
    }


def is_collapsed(spread: float) -> bool:
    """Return whether a generator makes one image of all, by the ``spread`` of :func:`measure_change`."""
    return spread < _COLLAPSED


def diagnose(history: Sequence[Mapping[str, Any]], *, loss: str, sides: Mapping[Direction, str]) -> list[str]:
    """Return what is wrong with a training, a sentence for each finding; nothing where nothing is.

    Args:
        history: a record for each look, with the losses by name, ``change_to``, ``spread_to`` and so on, and the
            ``number`` of the step in the run.
        loss: of the discriminators.
        sides: the expression of each side.
    """
    if not history:
        return []
    sentences = []
    for direction in DIRECTIONS:
        side, last = sides[direction], history[-1]
        if is_collapsed(last[f"spread_{direction}"]):
            sentences.append(
                f"the generator toward '{side}' has collapsed: it makes one image of all (they differ by "
                f"{last[f'spread_{direction}']:.0%} of what their originals do); raise --cycle, or lower "
                "--learning-rate"
            )
        elif last[f"change_{direction}"] < _UNCHANGED:
            sentences.append(
                f"the generator toward '{side}' leaves images as they are (mean change "
                f"{last[f'change_{direction}']:.2f} of 255): train longer, or lower --cycle and --identity"
            )
        begun = _won_since(history, f"discriminator_{direction}", _WON * UNDECIDED[loss])
        if begun is not None:
            sentences.append(
                f"the discriminator of '{side}' has won: since step {begun} its loss is below {_WON:.0%} of that of "
                f"an undecided one (now {last[f'discriminator_{direction}']:.3g}, undecided {UNDECIDED[loss]:.3g}), so "
                "that the generator learns little from it; lower --set discriminator_rate, or give more images"
            )
    return sentences


def _won_since(history: Sequence[Mapping[str, Any]], name: str, limit: float) -> int | None:
    """Return the step since which a loss has stayed below a limit; None where that is too short, or not so."""
    below = 0
    for record in reversed(history):
        if record[name] >= limit:
            break
        below += 1
    if below < max(_FEWEST_LOOKS, len(history) // 4):
        return None
    return int(history[-below]["number"])
