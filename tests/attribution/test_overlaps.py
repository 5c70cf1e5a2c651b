"""Accused regions that share pixels."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.attribution.explained_regions import ExplainedRegions
from cxrshort.attribution.overlaps import accused_pairs, overlap_notes, overlap_shares
from cxrshort.attribution.region_verdicts import LabelFindings
from cxrshort.dataset import Dataset
from cxrshort.regions import of, read_boxes
from cxrshort.stats.separation import WholeSeparation
from cxrshort.stats.verdicts import Evidence, Verdict

from .population import population


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return population(tmp_path_factory.mktemp("people"), people=40).data


def boxes(data: Dataset, folder: Path, **lists: list[str]) -> ExplainedRegions:
    """Return regions of boxes: an edge text for each image of a list, the first images before the others."""
    lines = ["image_id,region,x0,y0,x1,y1"]
    for name, edges in lists.items():
        lines += [f"{image},{name},{text}" for image, text in zip(data.manifest["image_id"], edges, strict=False)]
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")
    return ExplainedRegions(of(data, boxes=read_boxes(folder / "boxes.csv", shape=(16, 16))))


def findings(**words: str) -> LabelFindings:
    verdicts = [Verdict(name, word.replace("_", " "), "", Evidence(name, 0.5)) for name, word in words.items()]
    return LabelFindings("Edema", WholeSeparation(1.0, 0.01, 9, 9, ""), verdicts)


def test_share_counts_images_in_which_a_quarter_of_the_smaller_lies_in_the_other(data: Dataset, tmp_path: Path) -> None:
    # 70 images, more than are looked at together: in 35 a fifth of the sticker lies in the tape, in 35 all of it.
    regions = boxes(data, tmp_path, sticker=["3,4,8,5"] * 70, tape=["7,0,16,16"] * 35 + ["0,0,16,16"] * 35)
    assert overlap_shares(regions, [("sticker", "tape")], images=80) == {("sticker", "tape"): 0.5}
    areas = regions.take(np.arange(80)).areas
    first, second = (areas[:, regions.names.index(name)] for name in ("sticker", "tape"))
    smaller = np.minimum(first.sum(axis=(1, 2)), second.sum(axis=(1, 2)))
    much = ((first & second).sum(axis=(1, 2)) >= 0.25 * smaller) & (smaller > 0)
    assert much.sum() / (smaller > 0).sum() == 0.5


def test_pairs_are_of_regions_accused_for_one_label_without_parts_of_the_border() -> None:
    first = findings(border="shortcut", border_top="suspicious", corner_top_left="shortcut", tape="no_evidence")
    assert accused_pairs([first]) == []
    second = findings(tape="shortcut", sticker="suspicious", lungs="not_testable")
    assert accused_pairs([first, second]) == [("sticker", "tape")]


def test_note_names_the_border_once_and_only_what_overlaps_often(data: Dataset, tmp_path: Path) -> None:
    regions = boxes(data, tmp_path, sticker=["4,0,8,1"] * 80, tape=["0,8,16,9"] * 80)
    accused = findings(border="shortcut", border_top="shortcut", sticker="suspicious", tape="shortcut")
    assert overlap_notes([accused], regions, images=80) == [
        "regions overlap (border and sticker in 100 % of the images): a verdict on one region may be due to the other"
    ]
    top = findings(border_top="shortcut", sticker="suspicious")
    assert "(border top and sticker in 100 % of the images)" in overlap_notes([top], regions, images=80)[0]
    assert overlap_notes([findings(sticker="shortcut", tape="shortcut")], regions, images=80) == []
    assert overlap_notes([findings(border="shortcut")], regions, images=80) == []
