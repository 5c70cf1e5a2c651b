"""What every editor keeps: it takes pictures and the rows of their edits, and returns the edited pictures.

An edit is a function of its source, its row and the editor's settings alone: not of the batch it stands in, nor of the
process that makes it. What would invalidate every comparison of edits: noise that differs between a finding and the
sham edit of the same image; so noise is drawn from the seed, the image and the repetition, never from the prompt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.images.raster import ImageError

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Prompt:
    """Say what is asked of an editor.

    Args:
        edit: the name of the edit, as the column ``edit`` has it: ``cardiomegaly``, or ``sham`` for a finding-free one.
        text: the words that a generator is given.
        label: the label of the finding that is added, "" where it adds none.
    """

    edit: str
    text: str
    label: str = ""


@dataclass(frozen=True)
class Picture:
    """Hold an edited picture.

    Args:
        pixels: (H, W) uint8, of the source's size.
        facts: what its row says of it besides, such as ``edit_channel_spread``; names begin with ``edit_``.
    """

    pixels: Pictures
    facts: Mapping[str, float] = field(default_factory=dict)


class Editor(Protocol):
    """Put findings into radiographs.

    Attributes:
        identity: text that changes whenever the editor would make other pictures.
        facts: what ``run.json`` and people are told: components with their checksums, steps, the start timestep.
        batch_size: pictures made at a time.
        moves: whether an edit may move anatomy, so that masks and regions of the source do not fit it.
    """

    identity: str
    facts: Mapping[str, Any]
    batch_size: int
    moves: bool

    def __call__(self, sources: Pictures, rows: pd.DataFrame) -> Sequence[Picture | ImageError]:
        """Return the edits of a batch.

        Args:
            sources: (n, H, W) uint8.
            rows: of the edits, with ``source_image_id``, ``edit``, ``edit_prompt`` (the words), ``edit_label``,
                ``edit_seed`` (an integer, of image and repetition) and ``edit_repetition``.

        Returns:
            One for each row; an `ImageError` where no picture can be made, whose row is then excluded.
        """
        ...
