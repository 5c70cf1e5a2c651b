"""Waterbirds."""

import numpy as np
import pytest
from PIL import Image

from cxrshort.datasets.benchmarks.waterbirds import SCENES, PlacedBird, classify, draw, plan
from cxrshort.errors import DataError, MissingInputError
from cxrshort.images.raster import ImageError

from .copies import make_places, make_waterbirds, photograph


@pytest.mark.parametrize(
    ("species", "label"),
    [
        ("001.Black_footed_Albatross", "waterbird"),
        ("064.Ring_billed_Gull", "waterbird"),
        ("086.Pacific_Loon", "waterbird"),
        ("106.Horned_Puffin", "waterbird"),
        ("014.Indigo_Bunting", "landbird"),
        ("079.Belted_Kingfisher", "landbird"),  # lives at water, but is neither seabird nor waterfowl
    ],
)
def test_species_are_classified_by_word(species, label):
    assert classify(species) == label


def test_majority_is_an_exact_share_of_each_class(tmp_path):
    rows = plan(make_waterbirds(tmp_path, train=125, scenes=80), confounder_strength=0.8).rows
    train = rows[rows["split"] == "train"]
    for label in ("landbird", "waterbird"):
        of_class = train[train[label] == 1]
        assert (of_class["group"] == "majority").sum() == round(0.8 * len(of_class))


def test_scenes_fit_the_group_and_none_is_used_twice(tmp_path):
    rows = plan(make_waterbirds(tmp_path), confounder_strength=0.5).rows
    of_class = rows["waterbird"].map({1.0: "water", 0.0: "land"})
    fits = rows["group"].isin(["majority", "biased"])
    assert ((rows["confounder"] == of_class) == fits).all()
    for kind, pool in SCENES.items():
        scenes = rows.loc[rows["confounder"] == kind, "edit"]
        assert all(any(f"/{scene}/" in text for scene in pool) for text in scenes)
    assert rows["edit"].is_unique


def test_folds_have_the_shares_of_the_paper(tmp_path):
    made = plan(make_waterbirds(tmp_path, train=125, test=21, scenes=80))
    assert made.rows["split"].value_counts().to_dict() == {"train": 180, "val": 20, "test": 42}
    assert made.excluded["reason"].to_list() == ["validation fold of Sagawa et al. 2020"] * 50
    test = made.rows[made.rows["split"] == "test"]
    assert test.groupby(["landbird", "group"]).size().to_dict() == {
        (0.0, "biased"): 10,
        (0.0, "deceiving"): 11,
        (1.0, "biased"): 10,
        (1.0, "deceiving"): 11,
    }


def test_bird_is_kept_and_its_surroundings_replaced(tmp_path):
    made = plan(make_waterbirds(tmp_path))
    drawing = draw(made.pictures[0], size=64)
    bird, scene = drawing.pixels[:, 18:40, 24:50], drawing.pixels[:, 50:, :]
    assert bird[0].mean() > 180 and bird[2].mean() < 70  # red bird
    assert scene[2].mean() > 150 and scene[0].mean() < 60  # blue scene
    rows, columns = np.nonzero(drawing.masks)
    # The outline has rows 10 to 30 of 45 and columns 20 to 50 of 60.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (14, 42, 21, 52)
    assert (drawing.source_height, drawing.source_width) == (45, 60)


def test_soft_outline_blends(tmp_path):
    photograph(tmp_path / "bird.png", size=(8, 8), colour=(255, 255, 255))
    Image.new("RGB", (8, 8), (200, 100, 40)).save(tmp_path / "bird.png")
    Image.new("RGB", (16, 8), (0, 0, 0)).save(tmp_path / "scene.png")
    Image.new("L", (8, 8), 51).save(tmp_path / "outline.png")
    picture = PlacedBird(tmp_path / "bird.png", tmp_path / "outline.png", tmp_path / "scene.png")
    drawing = draw(picture, size=8)
    assert drawing.pixels[:, 4, 4].tolist() == [40, 20, 8]  # a fifth of the bird
    assert not drawing.masks.any()


def test_flat_layout_of_places_and_outlines_beside_cub_are_found(tmp_path):
    make_waterbirds(tmp_path, scenes=0)
    (tmp_path / "CUB_200_2011" / "segmentations").rename(tmp_path / "segmentations")
    make_places(tmp_path, {scene: 40 for pool in SCENES.values() for scene in pool}, easy=True)
    made = plan(tmp_path)
    assert made.rows["edit"].str.startswith("scene places365_standard/train/").all()
    draw(made.pictures[0], size=16)


def test_birds_without_files_are_excluded_with_a_reason(tmp_path):
    make_waterbirds(tmp_path)
    home = tmp_path / "CUB_200_2011"
    first, second = "001.Black_footed_Albatross/Black_footed_Albatross_0000", "014.Indigo_Bunting/Indigo_Bunting_0003"
    (home / "images" / f"{first}.jpg").unlink()
    (home / "segmentations" / f"{second}.png").unlink()
    names = (home / "images.txt").read_text().replace("Indigo_Bunting_0004", "../../../../../../etc/passwd")
    (home / "images.txt").write_text(names)
    excluded = plan(tmp_path).excluded.set_index("reason")
    assert excluded.loc["missing file", "path"] == f"CUB_200_2011/images/{first}.jpg"
    assert excluded.loc["missing mask", "patient_id"] == f"waterbirds:{second}"
    assert "passwd" in excluded.loc["path leaves root", "path"]


def test_outline_of_another_photograph_is_refused(tmp_path):
    make_waterbirds(tmp_path)
    made = plan(tmp_path)
    Image.new("L", (10, 10)).save(made.pictures[0].outline)
    with pytest.raises(ImageError) as caught:
        draw(made.pictures[0], size=16)
    assert caught.value.message == "mask size differs: 10 x 10, the photograph is 60 x 45"


def test_too_few_scenes_are_refused(tmp_path):
    make_waterbirds(tmp_path, scenes=10)
    with pytest.raises(DataError) as caught:
        plan(tmp_path)
    assert caught.value.message.startswith("Places has 20 images of bamboo_forest and forest/broadleaf, ")
    assert caught.value.message.endswith(" are needed")


def test_missing_scenes_are_refused(tmp_path):
    make_waterbirds(tmp_path, scenes=0)
    with pytest.raises(MissingInputError) as caught:
        plan(tmp_path)
    assert caught.value.message == f"'{tmp_path}' has no scenes 'bamboo_forest' of Places"
    assert caught.value.hint == "unpack Places365 there, so that places365/data_large/b/bamboo_forest exists"


def test_damaged_lists_are_refused(tmp_path):
    make_waterbirds(tmp_path)
    path = tmp_path / "CUB_200_2011" / "train_test_split.txt"
    path.write_text("1 0\n2 1 1\n")
    with pytest.raises(DataError) as caught:
        plan(tmp_path)
    assert caught.value.message == "train_test_split.txt: '2 1 1' is not a number and a word"
    path.write_text("1 0\n")
    with pytest.raises(DataError) as caught:
        plan(tmp_path)
    assert caught.value.message == "image '2' is only in one of images.txt and train_test_split.txt"
