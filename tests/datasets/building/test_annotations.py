"""Published masks and boxes."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrshort.columns import REGION_COLUMNS
from cxrshort.datasets import SOURCES
from cxrshort.datasets.building.annotations import annotations_for, read_lung_boxes, read_nih_boxes, to_cache
from cxrshort.datasets.building.mask_files import fill_masks
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import DataError
from cxrshort.images.decoding import decode
from cxrshort.registry import load_entry

ALL_VIEWS = ReadOptions(include_other_findings=True, views=("PA", "AP", "AP_SUPINE", "LATERAL", "UNKNOWN"))


def rows_of(*names, size=(1024, 1024), fit="crop"):
    ids = [f"repository/{name}" for name in names]
    paths = [f"images/{name}" for name in names]
    sizes = {"source_height": size[0], "source_width": size[1]}
    return pd.DataFrame({"image_id": ids, "path": paths, **sizes, "cache_fit": fit})


def boxes_of(*boxes, frame=(1000, 1000)):
    named = [("repository/a.png", "lung_left", *box, *frame) for box in boxes]
    columns = ["image_id", "region", "x0", "y0", "x1", "y1", "height", "width"]
    return pd.DataFrame(named, columns=columns).astype(dict.fromkeys(columns[2:], float))


def real_rows(test_data, name, options):
    repository = load_entry(SOURCES, name, kind="repository")
    folder = find_repository(test_data, repository)
    return repository.read(folder, test_data, options).rows, folder


def with_sizes(rows, root):
    decoded = [decode(root / path, size=16) for path in rows["path"]]
    heights, widths = zip(*((entry.source_height, entry.source_width) for entry in decoded), strict=True)
    return rows.assign(source_height=heights, source_width=widths, cache_fit="crop")


def lung_boxes(**changes):
    content = {
        "categories": [{"id": 1, "name": "Right Lung"}, {"id": 2, "name": "Left Lung"}],
        "images": [{"id": 7, "file_name": "a.png", "height": 100, "width": 200}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40]},
            {"image_id": 7, "category_id": 2, "bbox": [None, None, None, None]},
        ],
    }
    return json.dumps(content | changes)


def test_boxes_of_chestx_ray14_are_read_in_pixels_of_the_original(tmp_path):
    path = tmp_path / "BBox_List_2017.csv"
    path.write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        "a.png,Infiltrate,100.5,200,50,25.25\n"
        "b.png,Mass,1,2,3,4\n"
        "a.png,Mass,1,2,0,4\n"
        "a.png,Mass,1000,2,200,4\n"
        "a.png,Mass,x,2,3,4\n"
    )
    boxes, notes = read_nih_boxes(path, rows_of("a.png"))
    assert boxes.to_numpy().tolist() == [
        ["repository/a.png", "Infiltration", 100.5, 200.0, 150.5, 225.25, 1024.0, 1024.0]
    ]
    assert notes == (
        "BBox_List_2017.csv: 1 boxes",
        "BBox_List_2017.csv: 1 boxes of images that are not in the dataset",
        "BBox_List_2017.csv: 3 boxes without usable coordinates",
    )


def test_lung_boxes_are_read_with_the_frame_of_the_file(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(lung_boxes())
    boxes, notes = read_lung_boxes(path, rows_of("a.png"))
    assert boxes.to_numpy().tolist() == [["repository/a.png", "lung_right", 10.0, 20.0, 40.0, 60.0, 100.0, 200.0]]
    assert notes == ("boxes.json: 1 boxes", "boxes.json: 1 boxes without usable coordinates")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "JSONDecodeError"),
        ("[]", "TypeError"),
        (lung_boxes(images=[]), "KeyError: 7"),
        (lung_boxes(categories=[]), "KeyError: 1"),
        (lung_boxes(images=[{"id": 7, "file_name": "a.png", "height": "x", "width": 1}]), "ValueError"),
    ],
)
def test_damaged_lung_boxes_are_refused(tmp_path, content, reason):
    path = tmp_path / "boxes.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_lung_boxes(path, rows_of("a.png"))
    assert caught.value.message.startswith(f"'{path}' is not a file of lung boxes ({reason}")


def test_unreadable_lung_boxes_are_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        read_lung_boxes(tmp_path, rows_of("a.png"))
    assert caught.value.message == f"'{tmp_path}' cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("fit", "frame", "box", "expected"),
    [
        ("crop", (1000, 1000), (100, 200, 300, 600), [10, 20, 30, 60]),
        ("crop", (1000, 2000), (600, 0, 1000, 500), [10, 0, 50, 50]),  # 500 pixels are cut on either side
        ("pad", (1000, 2000), (200, 0, 1000, 500), [10, 25, 50, 50]),  # black bands of 25 above and below
        ("squash", (1000, 2000), (200, 100, 1000, 500), [10, 10, 50, 50]),
        ("crop", (1000, 1000), (101, 199, 299, 601), [10, 19, 30, 61]),  # grown outwards to whole pixels
        ("crop", (1000, 1000), (-0.5, 0, 1000.4, 1000), [0, 0, 100, 100]),
    ],
)
def test_boxes_are_converted_to_cache_pixels(fit, frame, box, expected):
    rows = rows_of("a.png", size=frame, fit=fit)
    regions, _ = to_cache(boxes_of(box, frame=frame), rows, size=100)
    assert list(regions.columns) == list(REGION_COLUMNS)
    assert regions.iloc[0].to_list() == ["repository/a.png", "lung_left", *expected]


def test_boxes_of_a_reduced_copy_scale_with_it():
    boxes = boxes_of((256, 512, 768, 1024), frame=(1024, 1024))
    full, small = (to_cache(boxes, rows_of("a.png", size=(side, side)), size=64)[0] for side in (1024, 256))
    assert full.equals(small) and full.iloc[0, 2:].to_list() == [16, 32, 48, 64]


def test_boxes_that_are_cut_or_vanish_are_counted():
    boxes = boxes_of((0, 0, 100, 50), (400, 0, 700, 50), (600, 0, 700, 50), frame=(1000, 2000))
    regions, notes = to_cache(boxes, rows_of("a.png", size=(1000, 2000)), size=100)
    assert regions[["x0", "x1"]].to_numpy().tolist() == [[0, 20], [10, 20]]
    assert notes == ("1 boxes fell outside the cached square", "1 boxes were cut at its edge")


def test_boxes_of_another_version_of_the_image_are_left_out():
    boxes = boxes_of((0, 0, 100, 50))
    regions, notes = to_cache(boxes, rows_of("a.png", size=(500, 520)), size=100)
    assert regions.empty and notes == ("1 boxes of another version of their image were left out",)
    regions, notes = to_cache(boxes, rows_of("a.png", size=(500, 505)), size=100)
    assert len(regions) == 1 and notes == ()


def test_boxes_of_images_that_could_not_be_decoded_are_dropped():
    regions, notes = to_cache(boxes_of((0, 0, 100, 50)), rows_of("b.png"), size=100)
    assert regions.empty and notes == () and list(regions.columns) == list(REGION_COLUMNS)


def test_repositories_without_known_annotations_have_none(tmp_path):
    actual = annotations_for("padchest", rows_of("a.png"), folder=tmp_path, root=tmp_path)
    assert actual.masks == {} and actual.boxes.empty and actual.notes == ()


@pytest.mark.parametrize("name", ["github-covid", "chestx-ray14"])
def test_missing_annotation_files_are_no_error(tmp_path, name):
    actual = annotations_for(name, rows_of("a.png"), folder=tmp_path, root=tmp_path)
    assert actual.masks == {} and actual.boxes.empty and actual.notes == ()


def test_masks_of_v7_are_preferred_to_those_of_lungvae(tmp_path):
    folder = tmp_path / "github-covid"
    for place, names in (
        (tmp_path / "masks" / "github-covid-v7labs", "ab"),
        (folder / "annotations" / "lungVAE-masks", "bc"),
    ):
        place.mkdir(parents=True)
        for name in names:
            Image.new("L", (2, 2), 255).save(place / f"{name}_mask.png")
    actual = annotations_for("github-covid", rows_of("a.jpg", "b.jpg", "c.jpg"), folder=folder, root=tmp_path)
    makers = {image_id[-5]: path.parent.name for image_id, path in actual.masks.items()}
    assert makers == {"a": "github-covid-v7labs", "b": "github-covid-v7labs", "c": "lungVAE-masks"}
    assert actual.notes == ("2 lung masks of V7", "1 lung masks of lungVAE")


def test_real_masks_cover_the_views_that_the_data_page_counts(test_data):
    table = pd.read_csv(test_data / "github-covid" / "metadata.csv", dtype=str, keep_default_na=False)
    table = table.drop_duplicates("filename")
    rows = pd.DataFrame({"image_id": table["filename"], "path": "images/" + table["filename"]})
    actual = annotations_for("github-covid", rows, folder=test_data / "github-covid", root=test_data)
    v7 = [image_id for image_id, path in actual.masks.items() if path.parent.name == "github-covid-v7labs"]
    views = table.set_index("filename").loc[v7, "view"].value_counts()
    assert len(v7) == 454
    assert views[["PA", "AP", "AP Supine", "L"]].to_list() == [216, 91, 120, 24] and views.sum() - 451 == 3


def test_real_masks_fit_their_images_and_hold_lungs(test_data, tmp_path):
    rows, folder = real_rows(test_data, "github-covid", ALL_VIEWS)
    actual = annotations_for("github-covid", rows, folder=folder, root=test_data)
    assert actual.notes[0] == "424 lung masks of V7" and actual.notes[2] == "41 lung masks of lungVAE"
    # Every tenth, so that the test stays quick.
    rows = rows[rows["image_id"].isin(actual.masks)].iloc[::10]
    rows = with_sizes(rows, test_data)
    placed, refused = fill_masks(tmp_path / "masks.npy", actual.masks, rows, size=64, jobs=2)
    lateral = rows["view"] == "LATERAL"
    v7 = pd.Series([actual.masks[entry].parent.name.endswith("v7labs") for entry in rows["image_id"]], index=rows.index)
    assert (refused["reason"] == "empty mask").all() and len(refused) == (lateral & v7).sum()
    share = (np.load(tmp_path / "masks.npy") & 1).mean(axis=(1, 2))
    assert len(share) == placed["mask_row"].notna().sum() > 35
    assert share.min() > 0.05 and share.max() < 0.75  # lungs, neither specks nor whole films


def test_real_lung_boxes_agree_with_the_lung_masks(test_data, tmp_path):
    rows, folder = real_rows(test_data, "github-covid", ReadOptions())
    actual = annotations_for("github-covid", rows, folder=folder, root=test_data)
    v7 = {name: path for name, path in actual.masks.items() if path.parent.name.endswith("v7labs")}
    rows = rows[rows["image_id"].isin(actual.boxes["image_id"]) & rows["image_id"].isin(v7)].iloc[::6]
    rows = with_sizes(rows, test_data)
    regions, _ = to_cache(actual.boxes, rows, size=128)
    placed, _ = fill_masks(tmp_path / "masks.npy", v7, rows, size=128)
    masks = np.load(tmp_path / "masks.npy") & 1
    row_of = dict(zip(rows["image_id"], placed["mask_row"], strict=True))
    within = []
    for image_id, boxes in regions.groupby("image_id"):
        covered = np.zeros((128, 128), bool)
        for box in boxes.itertuples():
            covered[box.y0 : box.y1, box.x0 : box.x1] = True
        mask = masks[row_of[image_id]] > 0
        within.append((mask & covered).sum() / mask.sum())
    # Two groups of people drew them: nearly all of the lungs lies in the boxes, in every image.
    assert len(within) > 12 and np.median(within) > 0.95 and min(within) > 0.8


def test_real_boxes_of_chestx_ray14_are_counted_and_converted(test_data):
    rows, folder = real_rows(test_data, "chestx-ray14", ReadOptions())
    actual = annotations_for("chestx-ray14", rows, folder=folder, root=test_data)
    assert actual.notes == (
        "BBox_List_2017.csv: 49 boxes",
        "BBox_List_2017.csv: 935 boxes of images that are not in the dataset",
    )
    # The shipped images are 256 x 256 copies; in a cache of that size the boxes are a quarter of the published ones.
    regions, notes = to_cache(
        actual.boxes, rows.assign(source_height=256, source_width=256, cache_fit="crop"), size=256
    )
    quarter = actual.boxes[["x0", "y0", "x1", "y1"]].to_numpy() / 4
    assert notes == () and np.abs(regions.iloc[:, 2:].to_numpy() - quarter).max() < 1
    labels = rows.set_index("image_id")
    agreed = [
        labels.at[image_id, region] == 1
        for image_id, region in zip(regions["image_id"], regions["region"], strict=True)
    ]
    assert np.mean(agreed) > 0.9  # boxes and labels are of different years and disagree in a few films
