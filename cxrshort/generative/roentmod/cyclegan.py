"""A trained CycleGAN as an editor: radiographs take the look of its ``--to`` side.

Nothing is drawn at random, so that repetitions of an edit are equal. The sham edit and the round trip of an image are
the cycle: toward the ``--to`` side and back. What would invalidate a comparison: a transform says what tells two groups
apart, which is the finding only where nothing else does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.cyclegan.model import CycleGan, load_cyclegan
from cxrshort.generative.roentmod.contract import Editor, Picture, Pictures
from cxrshort.stats.finding_names import ROUND_TRIPS, SHAMS, plain

_BATCH = 16


class CycleGanEditor:
    """Transform radiographs toward the ``--to`` side of a cyclegan.

    Args:
        model: the cyclegan.
        name: what it was called.
        batch_size: pictures made at a time.
    """

    moves = False

    def __init__(self, model: CycleGan, *, name: str, batch_size: int) -> None:
        self.model = model
        self.batch_size = batch_size
        self.identity = f"cyclegan {model.model_id}"
        self.facts: Mapping[str, Any] = {
            "editor": "cyclegan",
            "model": name,
            "model_id": model.model_id,
            "sides": dict(model.sides),
            "dataset": model.description.dataset,
        }

    def __call__(self, sources: Pictures, rows: pd.DataFrame) -> Sequence[Picture]:
        """Return the transforms of a batch; sham edits and round trips go there and back.

        Args:
            sources: (n, H, W) uint8.
            rows: of the edits.
        """
        made = self.model.transform_pixels(sources, "to")
        returns = np.array([_adds_nothing(edit) for edit in rows["edit"]], bool)
        if returns.any():
            made[returns] = self.model.transform_pixels(made, "from")[returns]
        return [Picture(pixels) for pixels in made]

    def round_trip(self, sources: Pictures) -> Sequence[Picture]:
        """Return pictures that went toward the ``--to`` side and back.

        Args:
            sources: (n, H, W) uint8.
        """
        there = self.model.transform_pixels(sources, "to")
        return [Picture(pixels) for pixels in self.model.transform_pixels(there, "from")]


def open_editor(*, model: str, compute: Compute, data: Dataset | None = None, batch_size: int = _BATCH) -> Editor:
    """Open a trained cyclegan as an editor.

    Args:
        model: a run folder or a model file of ``cyclegan train``.
        compute: device.
        data: the images that are to be edited, whose size is checked.
        batch_size: pictures made at a time.

    Raises:
        UsageError: another kind of model, or no picture at a time.
        MissingInputError: there is none.
        DataError: the images are of another size than those of its training.
    """
    if batch_size < 1:
        raise UsageError(f"--batch-size is '{batch_size}', it must be 1 or more")
    opened = load_cyclegan(model, compute)
    if data is not None and data.pixels.image_shape[-2:] != (opened.size, opened.size):
        height, width = data.pixels.image_shape[-2:]
        raise DataError(
            f"the images of {data.name} are '{height} x {width}' pixels, '{model}' was trained on {opened.size} x "
            f"{opened.size}",
            f"build-dataset with --size {opened.size}",
        )
    return CycleGanEditor(opened, name=model, batch_size=batch_size)


def _adds_nothing(edit: object) -> bool:
    """Return whether the last edit of a row is a sham or a round trip."""
    return plain(str(edit).rpartition(", ")[2]) in (*SHAMS, *ROUND_TRIPS)
