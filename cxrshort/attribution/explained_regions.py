"""The regions by which maps are read: from masks, boxes or a segmenter, with the whole border as one more region.

What would invalidate a share: boxes or masks of other images. Boxes that match no explained image are refused, and a
note counts those that match; where no source has the lungs, an average anatomy stands in for them, which is noted too.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import regions
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.datasets.building.mask_files import open_masks
from cxrshort.errors import DataError
from cxrshort.files import sha256
from cxrshort.manifest import label_columns
from cxrshort.models.outlines import draw_outlines, load_segmenter, segmenter_files
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.regions import ANATOMY, CORNERS, EDGES, RegionBatch, Regions
from cxrshort.registry import check_name

BORDER = "border"
"""All four borders and all four corners."""
EXPECTED = ("lungs", "heart", "mediastinum", "diaphragm")
"""Where findings lie."""
PARTS = ("lung_right", "lung_left", "shoulder_right", "shoulder_left")
"""Boxes that another region is made of."""


class RegionSources(NamedTuple):
    """Name where regions come from, before the dataset's own masks and boxes.

    Args:
        masks: a folder of mask files, or a ``.npy`` file with a mask for each row of the cache.
        segmenter: a model that draws lungs.
        boxes: a table of boxes, in pixels of the cached square.
    """

    masks: Path | None = None
    segmenter: str | None = None
    boxes: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        """Return what is read, by the name that a run's record gives it; a folder of mask files is one of them.

        Raises:
            MissingInputError: the segmenter is not there.
        """
        paths = [path for path in (self.masks, self.boxes) if path is not None]
        return {**{str(path): path for path in paths}, **segmenter_files(self.segmenter)}

    @property
    def folder_sha256(self) -> str:
        """Return the sha256 of the names and contents of a folder's mask files; empty where masks are no folder."""
        if self.masks is None or not self.masks.is_dir():
            return ""
        digest = hashlib.sha256()
        for path in sorted(path for path in self.masks.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(self.masks)} {sha256(path)}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()


class ExplainedRegions:
    """Cut the regions of images, and the union of borders and corners as one more.

    Args:
        regions: of the images.
        outlined: the same without the average anatomy, which is nobody's outline; None where ``regions`` has none.
    """

    def __init__(self, regions: Regions, outlined: Regions | None = None) -> None:
        self._regions = regions
        self.outlined = regions if outlined is None else outlined
        self._edge = [regions.names.index(name) for name in (*EDGES, *CORNERS)]
        own = [name for name in regions.names if name != BORDER]
        place = own.index(EDGES[0])
        self.names = (*own[:place], BORDER, *own[place:])

    def take(self, indices: npt.NDArray[np.int64]) -> RegionBatch:
        """Return the regions of these images, in the order of ``names``."""
        taken = self._regions.take(indices)
        numbers = {name: number for number, name in enumerate(self._regions.names)}
        areas = np.zeros((len(indices), len(self.names), *self._regions.image_shape), bool)
        available = np.ones((len(indices), len(self.names)), bool)
        for place, name in enumerate(self.names):
            if name == BORDER:
                areas[:, place] = taken.areas[:, self._edge].any(axis=1)
            else:
                areas[:, place], available[:, place] = (
                    taken.areas[:, numbers[name]],
                    taken.available[:, numbers[name]],
                )
        return RegionBatch(areas, available)

    def sources(self) -> pd.DataFrame:
        """Return how many images each region has from each source, as :meth:`cxrshort.regions.Regions.sources`."""
        return self._regions.sources()


def read_regions(
    data: Dataset, sources: RegionSources, *, compute: Compute, batch_size: int = SCORING_BATCH
) -> tuple[ExplainedRegions, list[str]]:
    """Return the regions of a dataset's images, and notes on where they are from.

    Args:
        data: the explained images.
        sources: what the user gives.
        compute: where a segmenter draws; several processes draw a share each.
        batch_size: images in the segmenter at the same time; halved whenever memory does not suffice.

    Raises:
        DataError: boxes outside the images, or boxes or masks of other images.
        MissingInputError: a file, folder or model is not there.
        UsageError: the segmenter is another kind of model.
    """
    height, width = data.pixels.image_shape[-2:]
    boxes, masks, segmenter, notes = None, None, None, list[str]()
    if sources.boxes is not None:
        boxes = regions.read_boxes(sources.boxes, shape=(height, width))
        notes.append(_match(boxes, data, sources.boxes))
    if sources.masks is not None:
        masks, of_masks = open_masks(sources.masks, data)
        notes += of_masks
    if sources.segmenter is not None:
        network, _ = load_segmenter(sources.segmenter, dataset=data.name, pixels=data.recipe)
        segmenter = draw_outlines(network, data.pixels, compute=compute, batch_size=batch_size, shrink=True)
    completed, outlined = (
        regions.of(data, boxes=boxes, masks=masks, segmenter=segmenter, average=average) for average in (True, False)
    )
    return ExplainedRegions(completed, outlined), [*notes, *_average_note(completed.sources(), len(data.manifest))]


def _match(boxes: pd.DataFrame, data: Dataset, path: Path) -> str:
    matching = int(boxes["image_id"].isin(data.manifest["image_id"]).sum())
    if not matching:
        example = f", such as '{boxes['image_id'].iloc[0]}'" if len(boxes) else ""
        raise DataError(
            f"'{path}': none of its {len(boxes)} boxes is of an explained image{example}",
            "image_id must be that of the dataset's manifest",
        )
    return f"{matching} of the {len(boxes)} boxes of {path} are of explained images"


def _average_note(sources: pd.DataFrame, images: int) -> list[str]:
    average = sources[sources["source"] == "average anatomy"]
    if average.empty:
        return []
    counts = ", ".join(f"{row.region} in {row.images}" for row in average.itertuples())
    return [
        f"an average anatomy stands in for what no mask, box or segmenter shows ({counts} of {images} images): "
        "these regions and those derived from them are rough"
    ]


def why_not_judged(names: tuple[str, ...], expected: tuple[str, ...], manifest: pd.DataFrame) -> dict[str, str]:
    """Return, for each region that is no shortcut by its place, why it is not judged.

    Args:
        names: of all regions.
        expected: where the finding may lie.
        manifest: of the images, whose labels name boxes of findings.

    Raises:
        UsageError: no region has the name of an expected one.
    """
    for name in expected:
        check_name([*dict.fromkeys([*ANATOMY, *names])], name, kind="region")
    reasons = dict.fromkeys([name for name in names if name in label_columns(manifest)], "a finding is marked there")
    return reasons | dict.fromkeys([name for name in names if name in expected], "the finding may lie there")
