"""COCO-on-Places."""

import json

import numpy as np
import pytest
from PIL import Image

from cxrshort.datasets.benchmarks import coco_on_places
from cxrshort.datasets.benchmarks.coco_on_places import LABELS, OWN_SCENE, PlacedObject, draw, plan, read_objects
from cxrshort.errors import DataError
from cxrshort.images.raster import ImageError

from .copies import annotation, make_coco, make_places


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("coco"))


def label_of(rows):
    return rows[list(LABELS)].idxmax(axis=1)


def test_scenes_fit_the_groups(root):
    rows = plan(root, confounder_strength=0.5).rows
    of_class = label_of(rows).map(OWN_SCENE)
    assert ((rows["confounder"] == of_class) == rows["group"].isin(["majority", "biased"])).all()
    scenes = rows.groupby("group")["confounder"].agg(set)
    assert scenes["minority"] <= {"kasbah", "lighthouse", "pagoda", "rock_arch"}
    assert scenes["unbiased"] <= {"water_tower", "waterfall", "zen_garden"}
    assert scenes["deceiving"] <= set(OWN_SCENE.values())


def test_no_scene_is_used_twice(root):
    assert plan(root, confounder_strength=0.5).rows["edit"].is_unique


def test_test_objects_appear_in_every_group(root):
    test = plan(root).rows.query("split == 'test'")
    assert (test.groupby("patient_id")["group"].agg(sorted).map(tuple) == ("biased", "deceiving", "unbiased")).all()


def test_images_that_cannot_be_used_are_excluded(root):
    excluded = plan(root).excluded
    assert excluded[["path", "reason", "detail"]].to_numpy().tolist() == [
        ["train2017/000000000001.jpg", "object too small", "boat, 1250 pixels"],
        ["train2017/000000000002.jpg", "no outline", "boat"],
        ["train2017/000000000003.jpg", "missing file", "boat"],
    ]


def test_classes_smaller_than_the_papers_are_noted(root):
    assert plan(root).notes[0] == "boat: 10 images, the paper has 1,000"


def test_annotations_in_a_folder_of_their_own_are_found(tmp_path):
    assert plan(make_coco(tmp_path, folder="coco")).rows["path"].str.startswith("coco/train2017/").all()


def test_largest_object_decides_and_crowds_do_not(tmp_path):
    square = [0.0, 0.0, 150.0, 0.0, 150.0, 150.0]
    table = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 9, "width": 9}],
        "annotations": [
            annotation(1, 1, segmentation=[square], area=12_000.0),
            annotation(1, 2, segmentation=[square, [1.0, 2.0]], area=15_000.0),
            annotation(1, 1, segmentation={"counts": [], "size": [9, 9]}, area=50_000.0, iscrowd=1),
            annotation(1, 3, segmentation=[square], area=90_000.0),
        ],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "horse"}, {"id": 3, "name": "person"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(table))
    (actual,) = read_objects(tmp_path / "instances.json")
    assert (actual.label, actual.area, actual.outline) == ("horse", 15_000.0, (tuple(square),))


def test_class_takes_at_most_the_papers_number(root, monkeypatch):
    monkeypatch.setattr(coco_on_places, "PER_CLASS", 10)
    counts = plan(root).rows["split"].value_counts().to_dict()
    assert counts == {"train": 72, "val": 9, "test": 27}
    monkeypatch.setattr(coco_on_places, "PER_CLASS", 9)
    with pytest.raises(DataError) as caught:  # nine images have no tenth for val
        plan(root)
    assert caught.value.message == "coco-on-places: no image of 'boat' for the val fold"


def test_object_is_kept_and_its_surroundings_replaced(root):
    drawing = draw(plan(root).pictures[0], size=64)
    # The object has rows 10 to 110 of 160 and columns 20 to 160 of 200.
    rows, columns = np.nonzero(drawing.masks)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 43, 6, 51)
    assert drawing.pixels[0, 8:40, 10:48].mean() > 180
    assert drawing.pixels[0, 50:].mean() < 60 and drawing.pixels[2, 50:].mean() > 150
    assert (drawing.source_height, drawing.source_width) == (160, 200)


def test_edge_of_the_object_is_soft(tmp_path):
    Image.new("RGB", (40, 40), (255, 255, 255)).save(tmp_path / "object.png")
    Image.new("RGB", (40, 40), (0, 0, 0)).save(tmp_path / "scene.png")
    outline = ((0.0, 0.0, 17.0, 0.0, 17.0, 39.0, 0.0, 39.0),)
    drawing = draw(PlacedObject(tmp_path / "object.png", 40, 40, outline, tmp_path / "scene.png"), size=10)
    edge = drawing.pixels[0, 5]
    assert edge[0] == 255 and edge[9] == 0 and any(0 < value < 255 for value in edge)
    assert np.array_equal(drawing.masks[5] == 1, edge >= 128)


def test_photograph_of_another_size_is_refused(root):
    picture = plan(root).pictures[0]
    wrong = PlacedObject(picture.photograph, 9, 9, picture.outline, picture.scene)
    with pytest.raises(ImageError) as caught:
        draw(wrong, size=16)
    assert caught.value.message == "image size differs: 200 x 160, annotated at 9 x 9"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "JSONDecodeError: Expecting property name"),
        ("[]", "TypeError: list indices"),
        ('{"images": []}', "KeyError: 'categories'"),
        ('{"categories": [{"id": 1, "name": "dog"}], "annotations": [{"segmentation": 5, "area": "x"}]}', "TypeError"),
        ("[" * 100_000, "RecursionError"),
    ],
)
def test_damaged_annotations_are_refused(tmp_path, content, reason):
    path = tmp_path / "instances_train2017.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_objects(path)
    assert caught.value.message.startswith(f"'{path}' is not an instances file of COCO ({reason}")


def test_unreadable_annotations_are_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        read_objects(tmp_path)
    assert caught.value.message == f"'{tmp_path}' cannot be read: Is a directory"


def test_absurd_outlines_are_left_out(tmp_path):
    square = [0.0, 0.0, 150.0, 0.0, 150.0, 150.0]
    table = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 9, "width": 9}],
        "annotations": [annotation(1, 1, segmentation=[[float("nan")] * 6, [1e300] * 6, square], area=12_000.0)],
        "categories": [{"id": 1, "name": "dog"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(table))
    assert read_objects(tmp_path / "instances.json")[0].outline == (tuple(square),)


def test_folds_have_the_counts_of_the_paper(tmp_path):
    """Make the complete download in miniature: plans read names only, so that the files may be empty."""
    images, annotations = [], []
    (tmp_path / "train2017").mkdir()
    for number in range(9 * 1010):
        images.append({"id": number, "file_name": f"{number}.jpg", "height": 200, "width": 200})
        annotations.append(annotation(number, number % 9, segmentation=[[0.0] * 6], area=10_000.0))
        (tmp_path / "train2017" / f"{number}.jpg").touch()
    categories = [{"id": number, "name": name} for number, name in enumerate(LABELS)]
    (tmp_path / "annotations").mkdir()
    table = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "annotations" / "instances_train2017.json").write_text(json.dumps(table))
    make_places(tmp_path, {})
    for scene in (*OWN_SCENE.values(), "water_tower", "waterfall", "zen_garden"):
        folder = tmp_path / "places365" / "data_256" / scene[0] / scene
        folder.mkdir(parents=True)
        for number in range(1200):
            (folder / f"{number}.jpg").touch()
    made = plan(tmp_path)
    folds = made.rows.groupby(["split", "group"]).size().to_dict()
    assert folds == {
        ("train", "majority"): 7200,
        ("val", "majority"): 900,
        ("test", "biased"): 900,
        ("test", "unbiased"): 900,
        ("test", "deceiving"): 900,
    }
    assert made.excluded["reason"].to_list() == ["more images than the class needs"] * 90
    assert made.notes == ()
