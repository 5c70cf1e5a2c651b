"""Pictures of the nearest real images: the pairs side by side, and the distances beside the yardstick."""

from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.dataset import Dataset
from cxrshort.figures.nearest import DistancePanel, draw_nearest_distances
from cxrshort.figures.plots import contact_sheet
from cxrshort.images.reduction import reduce_image
from cxrshort.verbs.roentmod.nearest_tables import Measures

MOST_PANELS = 4
_SHOWN_SIDE = 256
"""Wide enough for a caption in one line."""
_NAME = 25
"""Characters of a name below a picture."""


def draw_pairs(rows: pd.DataFrame, synthetic: Dataset, real: Dataset, *, path: Path) -> Path:
    """Draw the nearest pairs, each synthetic image at the left of its real one."""
    images, captions = [], []
    for row in rows.to_dict("records"):
        images += [
            reduce_image(synthetic.pixels.take([int(row["place"])])[0], _SHOWN_SIDE),
            reduce_image(real.pixels.take([int(row["nearest_place"])])[0], _SHOWN_SIDE),
        ]
        captions += [
            f"synthetic, not for diagnosis\n{_shorten(row['image_id'])}\n{row['verdict']}",
            f"real, {real.name[:_NAME]}\n{_shorten(row['nearest_image_id'])}\nr = {row['correlation']:.2f}",
        ]
    return contact_sheet(np.stack(images), captions, path, columns=2 * min(3, len(rows)))


def draw_distances(measures: Measures, path: Path, *, title: str) -> Path:
    """Draw the distances of synthetic images beside those of the yardstick, a panel for each measure."""
    panels = [DistancePanel(name, *values) for name, values in measures.items()]
    return draw_nearest_distances(panels[:MOST_PANELS], path, title=title)


def _shorten(name: object) -> str:
    """Return the end of a name, which tells images apart."""
    text = str(name).rpartition("/")[2]
    return text if len(text) <= _NAME else "…" + text[1 - _NAME :]
