"""Sample images of a run: the same of each side at every look, transformed, and back again."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from cxrshort.figures.transform_sheets import TransformRow, draw_transform_sheet
from cxrshort.generative.cyclegan.diagnosis import measure_change
from cxrshort.generative.cyclegan.networks import DIRECTIONS, OTHER, Direction, from_unit, to_unit
from cxrshort.generative.cyclegan.sides import Sides
from cxrshort.generative.cyclegan.steps import Learner

_MEASURED = 8
"""Images of a side that are transformed at a look; the sheet shows the first `_SHOWN` of them."""
_SHOWN = 5

Pixels = npt.NDArray[np.uint8]


class Samples:
    """Transform a few images of each side as the networks stand.

    Args:
        sides: where they are taken from, evenly.
        learner: the networks; its average stands in for the generators where there is one.
        names: the expression of each side.
    """

    def __init__(self, sides: Sides, learner: Learner, names: Mapping[Direction, str]) -> None:
        self.learner, self.names = learner, names
        self.originals = {
            direction: sides.data.pixels.take(
                rows[np.linspace(0, len(rows) - 1, min(_MEASURED, len(rows))).astype(int)]
            )
            for direction, rows in sides.rows.items()
        }

    def look(self, path: Path) -> dict[str, float]:
        """Draw the sheet, and return ``change`` and ``spread`` of each direction, see :func:`measure_change`.

        Args:
            path: the PNG.
        """
        learner = self.learner
        measures: dict[str, float] = {}
        rows = []
        with learner.average.standing_in(learner.generators) if learner.average else nullcontext():
            for direction in DIRECTIONS:
                originals = self.originals[OTHER[direction]]
                made = self._transform(originals, direction)
                returned = self._transform(made, OTHER[direction])
                measures |= {f"{name}_{direction}": value for name, value in measure_change(originals, made).items()}
                title = f"toward {self.names[direction]}"
                rows.append(TransformRow(title, originals[:_SHOWN], made[:_SHOWN], returned[:_SHOWN]))
        path.parent.mkdir(exist_ok=True)
        draw_transform_sheet(rows, path)
        return measures

    def _transform(self, pixels: Pixels, direction: Direction) -> Pixels:
        images = torch.from_numpy(pixels).to(self.learner.compute.torch_device).float() / 255
        images = images[:, None] if images.dim() == 3 else images
        with torch.inference_mode():
            inputs = from_unit(images).expand(-1, self.learner.recipe.channels, -1, -1).contiguous()
            outputs = to_unit(self.learner.generators.toward(direction)(inputs))
        outputs = outputs if pixels.ndim == 4 else outputs.mean(1)
        made: Pixels = (outputs.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        return made
