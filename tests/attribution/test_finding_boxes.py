"""Localisation of a population: means against the function of single maps, and which outlines count."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.attribution import finding_boxes
from cxrshort.attribution.finding_boxes import (
    LOCALISATION_COLUMNS,
    finding_regions,
    localisation_block,
    localisation_table,
)
from cxrshort.attribution.localisation import localise
from cxrshort.cli.printer import print_result
from cxrshort.columns import REGION_COLUMNS
from cxrshort.dataset import REGIONS, load_dataset
from cxrshort.errors import DataError
from cxrshort.regions import Regions, of
from cxrshort.results import Result

from ..training.tiny import tiny_manifest, write_dataset

SIDE, PEOPLE = 32, 12
COUNT = 2 * PEOPLE
POSITIVE = np.arange(1, COUNT, 2)
LUNGS = np.zeros((SIDE, SIDE), bool)
LUNGS[8:24, 4:12] = LUNGS[8:24, 20:28] = True


@pytest.fixture
def outlined(tmp_path: Path) -> Regions:
    """Return regions: a box of COVID-19 in images 1 to 15, two in image 3; of Edema in all; lungs in the first 8."""
    folder = tmp_path / "tiny"
    manifest = tiny_manifest(folder, people=PEOPLE)
    manifest["image_id"] = [f"tiny/{row:03d}" for row in range(COUNT)]
    manifest["mask_row"] = [str(row) if row < 8 else "" for row in range(COUNT)]
    write_dataset(folder, manifest)
    np.save(folder / "masks.npy", np.repeat(LUNGS[None].astype(np.uint8), 8, axis=0))
    boxes = [(f"tiny/{row:03d}", "COVID-19", row, 4, row + 8, 12) for row in range(1, 16)]
    boxes += [("tiny/003", "COVID-19", 20, 20, 24, 24)]
    boxes += [(f"tiny/{row:03d}", "Edema", 0, 0, 4, 4) for row in range(COUNT)]
    pd.DataFrame(boxes, columns=list(REGION_COLUMNS)).to_csv(folder / REGIONS, index=False)
    return of(load_dataset(str(folder)))


def charts(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(COUNT, SIDE, SIDE)).astype(np.float32)


PERSONS = np.arange(COUNT) // 4
"""Two images with COVID-19 each."""


def localised(regions: Regions, maps: np.ndarray, rows=POSITIVE, label: str = "COVID-19", **options) -> pd.DataFrame:
    return localisation_table(maps, rows, regions, PERSONS, label=label, rng=np.random.default_rng(0), **options)


@pytest.mark.parametrize("block", [1, 3, 100])
def test_means_are_those_of_single_maps_with_the_masks_by_hand(
    outlined: Regions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(finding_boxes, "BLOCK", block)
    np.save(tmp_path / "maps.npy", charts())
    table = localised(outlined, np.load(tmp_path / "maps.npy", mmap_mode="r"))
    assert tuple(table.columns) == LOCALISATION_COLUMNS
    assert table["region"].tolist() == ["lungs", "COVID-19"] and set(table["label"]) == {"COVID-19"}
    rows = np.arange(1, 16, 2)
    masks = np.zeros((len(rows), SIDE, SIDE), bool)
    for mask, row in zip(masks, rows, strict=True):
        mask[4:12, row : row + 8] = True
        if row == 3:
            mask[20:24, 20:24] = True
    for name, positions, areas in (("COVID-19", rows, masks), ("lungs", rows[:4], np.repeat(LUNGS[None], 4, axis=0))):
        expected, row = localise(charts()[positions], areas), table.set_index("region").loc[name]
        for measure in ("mass", "rank", "pointing", "area"):
            assert row[measure] == pytest.approx(getattr(expected, measure).mean())
        assert row["mass_ratio"] == pytest.approx(expected.mass.mean() / areas.mean())
        assert (row["images"], row["left_out"]) == (len(positions), 0)
    covid = table.set_index("region").loc["COVID-19"]
    assert covid["persons"] == 4 and covid["mass_low"] < covid["mass"] < covid["mass_high"]
    assert table.set_index("region").loc["lungs", "reason"] == "only 2 persons"


def test_interval_is_of_persons_drawn_again(outlined: Regions) -> None:
    maps = np.zeros((COUNT, SIDE, SIDE), np.float32)
    maps[:, 4:12, 8:16] = 1
    maps[:8, 4:12, 8:16] = 0
    maps[:8, 30, 30] = 1  # two of four persons have nothing in the box
    row = localised(outlined, maps).set_index("region").loc["COVID-19"]
    assert row["pointing_low"] == 0 and row["pointing"] < row["pointing_high"]


def test_map_that_lies_in_the_box_has_all_of_it(outlined: Regions) -> None:
    maps = np.full((COUNT, SIDE, SIDE), -0.1, np.float32)
    for row in range(1, 16):
        maps[row, 6, row + 3] = 1
    maps[5, 6, 8] = -1  # nothing speaks for the finding any more
    row = localised(outlined, maps).set_index("region").loc["COVID-19"]
    assert (row["mass"], row["pointing"], row["images"], row["left_out"]) == (1, 1, 7, 1)
    away = localised(outlined, np.roll(maps, 2, axis=1), tolerance=0).set_index("region").loc["COVID-19"]
    assert away["pointing"] == 1  # still inside: the box is eight pixels high
    moved = np.roll(maps, 7, axis=1)
    strict, near = (
        localised(outlined, moved, tolerance=pixels).set_index("region").loc["COVID-19", "pointing"]
        for pixels in (0, 2)
    )
    assert (strict, near) == (0, 1)


def test_rows_without_an_outline_are_in_no_row_of_the_table(outlined: Regions) -> None:
    assert len(localised(outlined, charts(), rows=[17, 19])) == 0
    assert localised(outlined, charts(), label="Hernia")["region"].tolist() == ["lungs"]
    none = localised(outlined, 0 * charts()).set_index("region")
    assert none["mass"].isna().all() and none.loc["COVID-19", "left_out"] == 8
    assert set(none["reason"]) == {"no map has a positive value"}


def test_regions_of_a_finding_are_known_by_its_name() -> None:
    names = ["lungs", "marker", "Pleural_Thickening", "Mass", "Severity upper left"]
    assert finding_regions(names, "Pleural Thickening") == ["lungs", "Pleural_Thickening", "Severity upper left"]
    assert finding_regions(names, "Hernia") == ["lungs", "Severity upper left"]
    assert finding_regions(["heart"], "Mass") == []


def test_maps_of_several_labels_say_which_image_they_are_of(outlined: Regions) -> None:
    order = np.random.default_rng(3).permutation(COUNT)
    stacked = np.concatenate([charts(9), charts()[order]])
    rows = COUNT + np.flatnonzero(order % 2 == 1)
    rows = rows[np.argsort(order[rows - COUNT])]  # persons drawn again are numbered in the order of their maps
    several = localisation_table(
        stacked,
        rows,
        outlined,
        np.concatenate([PERSONS, PERSONS[order]]),
        label="COVID-19",
        rng=np.random.default_rng(0),
        images=np.concatenate([np.arange(COUNT), order]),
    )
    pd.testing.assert_frame_equal(several, localised(outlined, charts()))


def test_other_images_are_refused(outlined: Regions) -> None:
    with pytest.raises(DataError, match="23 maps, regions of 24 images and 24 persons: they must be as many"):
        localised(outlined, charts()[1:])


def test_table_as_people_see_it(outlined: Regions, capsys: pytest.CaptureFixture[str]) -> None:
    print_result(Result(tables=(localisation_block(localised(outlined, charts())),)), json=False)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "maps of positives against outlines, with 95 % interval"
    heads = ["finding", "outline", "images", "relevance mass", "relevance rank", "pointing game", "by chance"]
    assert [part.strip() for part in lines[1].split("  ") if part.strip()] == heads
    assert "no interval: only 2 persons" in lines[3] and lines[3].endswith("0.250")
    assert lines[4].count("[") == 3 and lines[4].endswith("0.064")
