"""The finder behind ``--preset shoulders``: a box over each lung's apex and clavicle, from the lung masks.

Each box reaches from above a lung's apex to below its clavicle and from the midline to beside the lung. Right and left
are the patient's; the right is on the picture's left. What would invalidate the boxes: a film that is mirrored, or
lungs of which the apex is not seen. The boxes are proposals, to be corrected by the user where a clavicle is raised or
the lungs are those of the average anatomy. Share of boxes with an IoU of 0.5 or more at 224 px
(``tests/studies/finders.py``): 97 % on 500 phantoms, 77 % on 28 real films with published lung masks, 43 % on 15 with
the average anatomy.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.columns import REGION_COLUMNS

Box = tuple[int, int, int, int]
Areas = npt.NDArray[np.bool_]

ABOVE = 0.08
"""How far above the apex the box begins, as a share of the height of the image."""
DEPTH = 0.22
"""How far below the apex it ends, as a share of the height of the lungs."""
ASIDE = 0.10
"""How far it reaches beside the lung, as a share of the width of the image."""


def find_shoulders(images: npt.NDArray[np.float32], lungs: Areas, *, image_ids: Sequence[str]) -> pd.DataFrame:
    """Propose a box for each shoulder, a row each, as ``regions.csv`` has them; none where a lung is unknown.

    Args:
        images: (N, H, W), which this finder does not look at.
        lungs: (N, H, W); empty where unknown.
        image_ids: the name of each image.
    """
    del images
    rows = [
        (name, region, *box)
        for name, lung in zip(image_ids, lungs, strict=True)
        for region, box in shoulder_boxes(lung).items()
    ]
    return pd.DataFrame(rows, columns=list(REGION_COLUMNS))


def shoulder_boxes(lungs: Areas) -> dict[str, Box]:
    """Return half-open boxes of ``shoulder_right`` and ``shoulder_left`` of one image (H, W).

    The midline is the middle of the lungs' extent; a side without lung has no box.

    Example:
        >>> lungs = np.zeros((100, 100), bool)
        >>> lungs[20:70, 20:40] = lungs[20:70, 60:80] = True
        >>> shoulder_boxes(lungs)
        {'shoulder_right': (10, 12, 50, 31), 'shoulder_left': (50, 12, 90, 31)}
    """
    height, width = lungs.shape
    columns = np.flatnonzero(lungs.any(axis=0))
    if not len(columns):
        return {}
    middle, aside = (int(columns[0]) + int(columns[-1]) + 1) // 2, round(ASIDE * width)
    sides = {
        "shoulder_right": (slice(0, middle), max(0, int(columns[0]) - aside), middle),
        "shoulder_left": (slice(middle, width), middle, min(width, int(columns[-1]) + 1 + aside)),
    }
    boxes = {}
    for name, (half, x0, x1) in sides.items():
        rows = np.flatnonzero(lungs[:, half].any(axis=1))
        if len(rows):
            depth = max(1, round(DEPTH * (int(rows[-1]) + 1 - int(rows[0]))))
            boxes[name] = (x0, max(0, int(rows[0]) - round(ABOVE * height)), x1, min(height, int(rows[0]) + depth))
    return boxes
