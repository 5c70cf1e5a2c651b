"""Pixel differences by region, against pictures whose change is written by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import UsageError
from cxrshort.stats.ssim import similarity_map
from cxrshort.verbs.roentmod.identity_differences import measure_differences
from cxrshort.verbs.roentmod.identity_pairs import EDIT, SHAM, pair_images, used_images

from .edited_phantoms import write_edits, write_films


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("differences")
    write_films(home / "films", images=5)
    write_edits(home / "films", home / "edits", edits=("cardiomegaly", "sham"))
    return home


def measured(films: Dataset, edits: Dataset, mask_bit: str | None = None) -> tuple[pd.DataFrame, dict[str, Dataset]]:
    pairs = pair_images(films, edits, None)
    images, table = used_images(pairs)
    return pairs.table.join(measure_differences(images, table, mask_bit=mask_bit)), images


def loaded(home: Path) -> tuple[Dataset, Dataset]:
    return load_dataset(str(home / "films")), load_dataset(str(home / "edits"))


def test_whole_inside_and_outside_are_means_of_the_maps(home: Path) -> None:
    films, edits = loaded(home)
    table, images = measured(films, edits)
    first, second = images["before"].pixels.take(range(5)) / 255, edits.pixels.take(range(0, 10, 2)) / 255
    assert films.masks is not None
    lungs = (films.masks.take(range(5)) & films.structures["lungs"][0]) > 0
    own = table[table["kind"] == EDIT]
    assert set(own["region"]) == {"lungs"}
    for name, maps in (("ssim", similarity_map(first, second)), ("difference", np.abs(first - second))):
        np.testing.assert_allclose(own[name], maps.mean(axis=(1, 2)), rtol=1e-10)
        for part, area in (("inside", lungs), ("outside", ~lungs)):
            expected = [values[mask].mean() for values, mask in zip(maps, area, strict=True)]
            np.testing.assert_allclose(own[f"{name}_{part}"], expected, rtol=1e-10)
    control = table[table["kind"] == "control"]
    assert control["ssim_inside"].isna().all() and control["ssim"].notna().all()


def test_named_structures_are_the_region(home: Path) -> None:
    table, _ = measured(*loaded(home), mask_bit="lungs+heart")
    own = table[table["kind"] == EDIT]
    assert set(own["region"]) == {"lungs+heart"}
    films, edits = loaded(home)
    assert films.masks is not None
    bits = films.structures["lungs"][0] | films.structures["heart"][0]
    area = (films.masks.take([0])[0] & bits) > 0
    change = np.abs(films.pixels.take([0])[0] / 255 - edits.pixels.take([0])[0] / 255)
    assert own["difference_inside"].iloc[0] == pytest.approx(change[area].mean())
    with pytest.raises(UsageError, match="'spleen' is not a known mask"):
        measured(*loaded(home), mask_bit="spleen")


def test_boxes_of_the_finding_come_before_lungs_and_hold_for_the_sham(home: Path) -> None:
    films, edits = loaded(home)
    boxes = [f"{name},Cardiomegaly,4,6,20,30" for name in films.manifest["image_id"]]
    path = home / "films" / "regions.csv"
    before = path.read_text()
    try:
        path.write_text("\n".join(["image_id,region,x0,y0,x1,y1", *boxes]) + "\n")
        table, _ = measured(films, edits)
    finally:
        path.write_text(before)
    assert set(table.loc[table["kind"].isin([EDIT, SHAM]), "region"]) == {"finding"}
    first, second = films.pixels.take([0])[0] / 255, edits.pixels.take([0])[0] / 255
    own = table[table["kind"] == EDIT].iloc[0]
    assert own["difference_inside"] == pytest.approx(np.abs(first - second)[6:30, 4:20].mean())


def test_images_without_masks_have_no_inside(home: Path) -> None:
    films, edits = (
        replace(data, manifest=data.manifest.drop(columns=["mask_row", "mask_crc32"])) for data in loaded(home)
    )
    table, _ = measured(films, edits)
    assert (table["region"] == "").all() and table["ssim_inside"].isna().all() and table["ssim"].notna().all()
