"""DogsWithTies."""

import numpy as np
import pytest
from PIL import Image

from cxrshort.datasets.benchmarks.dogs_with_ties import LABELS, MASK_BITS, DressedDog, draw, plan, read_marks
from cxrshort.datasets.benchmarks.ties import BOW_TIE, NECKTIE, draw_tie, tie_box
from cxrshort.errors import DataError, MissingInputError
from cxrshort.images.raster import ImageError

from .copies import make_dogs


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_dogs(tmp_path_factory.mktemp("dogs"))


def test_breeds_wear_the_ties_of_their_group(root):
    rows = plan(root, confounder_strength=0.5).rows
    worn = rows.groupby(["Pekingese", "group"])["confounder"].agg(lambda texts: "/".join(sorted(set(texts))))
    mastiff = {"majority": NECKTIE, "biased": NECKTIE, "deceiving": BOW_TIE, "minority": "no tie", "unbiased": "no tie"}
    pekingese = mastiff | {"majority": BOW_TIE, "biased": BOW_TIE, "deceiving": NECKTIE}
    expected = {(0.0, group): tie for group, tie in mastiff.items()}
    assert worn.to_dict() == expected | {(1.0, group): tie for group, tie in pekingese.items()}


def test_folds_are_those_of_stanford_dogs(tmp_path):
    rows = plan(make_dogs(tmp_path, train=100, test=5)).rows
    assert rows.groupby(["split", *LABELS]).size().to_dict() == {
        ("train", 0.0, 1.0): 90,
        ("train", 1.0, 0.0): 90,
        ("val", 0.0, 1.0): 10,
        ("val", 1.0, 0.0): 10,
        ("test", 0.0, 1.0): 15,
        ("test", 1.0, 0.0): 15,
    }


def test_tie_changes_the_picture_where_its_mask_is_and_nowhere_else(root):
    made = plan(root)
    test = made.rows.index[made.rows["split"] == "test"][:3]
    biased, bare, deceiving = (draw(made.pictures[number], size=224) for number in test)
    assert not (bare.masks & MASK_BITS["tie"]).any()
    for dressed in (biased, deceiving):
        tie = (dressed.masks & MASK_BITS["tie"]) > 0
        changed = (dressed.pixels != bare.pixels).any(axis=0)
        assert tie.any() and changed[tie].all()
        # The mask is the tie above half cover; what changes beside it is its soft edge.
        rows, columns = np.nonzero(tie)
        beyond = changed.copy()
        beyond[max(0, rows.min() - 4) : rows.max() + 5, max(0, columns.min() - 4) : columns.max() + 5] = False
        assert not beyond.any()


def test_dog_bit_is_its_box(root):
    drawing = draw(plan(root).pictures[0], size=224)
    rows, columns = np.nonzero(drawing.masks & MASK_BITS["dog"])
    # x 30 to 90 of 120 and y 15 to 75 of 90.
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (37, 187, 56, 168)


@pytest.mark.parametrize(("kind", "box"), [(NECKTIE, (59, 30, 67, 54)), (BOW_TIE, (53, 30, 73, 41))])
def test_ties_scale_with_the_neck_and_lie_on_it(kind, box):
    assert tie_box(kind, (53.0, 30.0, 20.0, 11.0)) == box


@pytest.mark.parametrize(("kind", "strong", "weak"), [(NECKTIE, 0, 2), (BOW_TIE, 2, 1)])
def test_ties_have_their_colour_on_a_clear_ground(kind, strong, weak):
    tie = np.asarray(draw_tie(kind, 40, 60))
    opaque = tie[tie[..., 3] == 255]
    assert 0.2 < len(opaque) / (40 * 60) < 0.9
    assert opaque[:, strong].mean() > 1.5 * opaque[:, weak].mean()
    assert (tie[..., 3] == 0).any()


def test_ties_are_symmetric():
    for kind, tolerance in ((NECKTIE, 0.05), (BOW_TIE, 0.05)):
        alpha = np.asarray(draw_tie(kind, 40, 40))[..., 3] > 128
        assert (alpha != alpha[:, ::-1]).mean() < tolerance


def test_missing_marks_are_refused_with_the_sentence(tmp_path):
    make_dogs(tmp_path, marks=False)
    with pytest.raises(MissingInputError) as caught:
        plan(tmp_path)
    expected = f"the dog neck marks are a CSV that you supply: '{tmp_path / 'marks.csv'}' does not exist"
    assert caught.value.message == expected
    assert caught.value.hint == (
        "a line per image: image,x,y,width,height in pixels of the photograph (the authors' marks are unpublished)"
    )


def test_marks_may_lie_with_the_photographs_and_have_folders(tmp_path):
    make_dogs(tmp_path / "StanfordDogs")
    marks = tmp_path / "StanfordDogs" / "marks.csv"
    marks.write_text(marks.read_text().replace("n02086079_", "n02086079-Pekinese/n02086079_"))
    made = plan(tmp_path)
    assert made.rows["path"].str.startswith("StanfordDogs/Images/").all()
    assert made.notes == ("26 marks are of no image of the two breeds",)


def test_dogs_that_cannot_be_used_are_excluded_with_a_reason(tmp_path):
    make_dogs(tmp_path)
    (tmp_path / "Images" / "n02086079-Pekinese" / "n02086079_0.jpg").unlink()
    (tmp_path / "Annotation" / "n02086079-Pekinese" / "n02086079_1").write_text("<annotation/>")
    (tmp_path / "Annotation" / "n02086079-Pekinese" / "n02086079_2").unlink()
    marks = (tmp_path / "marks.csv").read_text()
    for number, line in ((3, "nan,30,30,12"), (4, "45,30,0,12"), (5, "45,-1,30,12"), (6, "a,b,c,d")):
        marks = marks.replace(f"n02086079_{number}.jpg,45,30,30,12", f"n02086079_{number}.jpg,{line}")
    (tmp_path / "marks.csv").write_text(marks.replace("n02086079_7.jpg,45,30,30,12\n", ""))
    assert plan(tmp_path).excluded[["patient_id", "reason"]].to_numpy().tolist() == [
        ["dogs-with-ties:n02086079_0", "missing file"],
        ["dogs-with-ties:n02086079_1", "no dog box in Annotation"],
        ["dogs-with-ties:n02086079_2", "no dog box in Annotation"],
        ["dogs-with-ties:n02086079_3", "neck mark is no box"],
        ["dogs-with-ties:n02086079_4", "neck mark is no box"],
        ["dogs-with-ties:n02086079_5", "neck mark is no box"],
        ["dogs-with-ties:n02086079_6", "neck mark is no box"],
        ["dogs-with-ties:n02086079_7", "no neck mark"],
    ]


def test_mark_beyond_the_photograph_is_refused(tmp_path):
    Image.new("RGB", (20, 20), (9, 9, 9)).save(tmp_path / "dog.png")
    with pytest.raises(ImageError) as caught:
        draw(DressedDog(tmp_path / "dog.png", (), (5.0, 5.0, 1e9, 2.0), BOW_TIE), size=16)
    assert caught.value.message == "neck mark outside the image: 5, 5, 1e+09, 2"


def test_image_marked_twice_is_refused(tmp_path):
    path = tmp_path / "marks.csv"
    path.write_text("image,x,y,width,height\na/dog_1.jpg,1,1,1,1\ndog_1.jpg,2,2,2,2\n")
    with pytest.raises(DataError) as caught:
        read_marks(path)
    assert caught.value.message == "marks.csv: 'dog_1' is listed twice"


def test_damaged_list_is_refused(root, tmp_path):
    make_dogs(tmp_path)
    path = tmp_path / "lists" / "test_list.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(120))
    with pytest.raises(DataError) as caught:
        plan(tmp_path)
    assert caught.value.message == f"'{path}' is not a list of Stanford Dogs"
