"""Coloured MNIST, from real digits."""

import gzip
import shutil

import numpy as np
import pytest

from cxrshort.datasets.benchmarks.coloured_mnist import (
    BLACK,
    FAR,
    LABELS,
    PALETTE,
    ColouredDigit,
    draw,
    draw_far_colours,
    plan,
    read_idx,
)
from cxrshort.errors import DataError, MissingInputError

from .copies import idx, make_mnist, real_digits


def distance(first, second):
    return sum((int(a) - int(b)) ** 2 for a, b in zip(first, second, strict=True))


def painted(row):
    text = row["edit"].removeprefix("colour #")
    return tuple(int(text[place : place + 2], 16) for place in (0, 2, 4))


def test_palette_colours_are_as_far_apart_as_random_ones_must_be():
    colours = [BLACK, *(colour for _, colour in PALETTE.values())]
    assert min(distance(a, b) for place, a in enumerate(colours) for b in colours[:place]) > FAR


def test_palette_is_that_of_the_papers_generator_for_digits_one_to_nine():
    assert [PALETTE[label][1] for label in LABELS[1:]] == [
        (0, 100, 0),
        (188, 143, 143),
        (255, 0, 0),
        (255, 215, 0),
        (0, 255, 0),
        (65, 105, 225),
        (0, 225, 225),
        (0, 0, 255),
        (255, 20, 147),
    ]


def test_random_colours_keep_their_distance():
    avoided = [BLACK, (255, 0, 0)]
    for seed in range(20):
        colours = draw_far_colours(np.random.default_rng(seed), far_from=avoided)
        assert len(colours) == 10
        assert min(distance(colour, other) for colour in colours for other in avoided) > FAR


def test_unseen_colours_are_far_from_all_others(tmp_path):
    rows = plan(make_mnist(tmp_path), confounder_strength=0.2).rows
    unseen = {painted(row) for _, row in rows[rows["group"] == "unbiased"].iterrows()}
    minority = {painted(row) for _, row in rows[rows["group"] == "minority"].iterrows()}
    avoided = minority | {colour for _, colour in PALETTE.values()}
    assert len(unseen) == len(minority) == 10
    assert min(distance(a, b) for a in unseen for b in avoided) > FAR


def test_strength_is_the_share_of_the_majority(tmp_path):
    rows = plan(make_mnist(tmp_path, train=1500), confounder_strength=0.8).rows
    share = (rows.loc[rows["split"] != "test", "group"] == "majority").mean()
    assert abs(share - 0.8) < 0.04  # four standard errors of 1,500 draws


def test_deceiving_colours_are_drawn_evenly_among_the_other_classes(tmp_path):
    rows = plan(make_mnist(tmp_path, train=600, test=1100)).rows
    deceiving = rows[rows["group"] == "deceiving"]
    of_class = deceiving[list(LABELS)].idxmax(axis=1)
    worn = deceiving["confounder"].map({name: label for label, (name, _) in PALETTE.items()})
    assert not (of_class == worn).any()
    counts = worn.value_counts()
    assert len(counts) == 10 and counts.min() > 70  # 110 expected, four standard deviations of 10


def test_digits_are_cut_at_half_intensity_and_painted_flat():
    levels = np.array([[0, 127], [128, 255]], np.uint8)
    drawing = draw(ColouredDigit(levels, (10, 20, 30)), size=2)
    assert drawing.masks.tolist() == [[0, 0], [1, 1]]
    assert drawing.pixels.tolist() == [[[0, 0], [10, 10]], [[0, 0], [20, 20]], [[0, 0], [30, 30]]]


def test_pixels_have_the_planned_colour_and_no_other(tmp_path):
    made = plan(make_mnist(tmp_path), confounder_strength=0.5)
    for number in (0, 5, 700, 701, 702):
        drawing = draw(made.pictures[number], size=28)
        inside = drawing.pixels[:, drawing.masks == 1]
        assert {tuple(colour) for colour in inside.T.tolist()} == {painted(made.rows.iloc[number])}
        assert not drawing.pixels[:, drawing.masks == 0].any()


def test_a_tenth_of_the_training_digits_validates(tmp_path):
    rows = plan(make_mnist(tmp_path, train=1000, test=300)).rows
    assert rows["split"].value_counts().to_dict() == {"train": 900, "val": 100, "test": 900}


@pytest.mark.parametrize(("folder", "packed"), [("MNIST", True), ("raw", False), (".", True)])
def test_other_layouts_are_found_and_give_the_same_pictures(tmp_path, folder, packed):
    default = plan(make_mnist(tmp_path / "usual"))
    other = plan(make_mnist(tmp_path / "other", folder=folder, packed=packed))
    assert default.rows.drop(columns="path").equals(other.rows.drop(columns="path"))
    assert np.array_equal(default.pictures[9].levels, other.pictures[9].levels)


def test_files_in_folders_of_their_own_names_are_found(tmp_path):
    make_mnist(tmp_path)
    home = tmp_path / "MNIST" / "raw"
    for path in list(home.iterdir()):
        folder = home / path.name
        path = path.rename(home / "moved")
        folder.mkdir()
        shutil.move(path, folder / folder.name.replace("-idx", ".idx"))
    assert len(plan(tmp_path).rows) == 600 + 3 * 200


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        plan(tmp_path)
    assert (
        caught.value.message == f"'{tmp_path}' has no file 'MNIST/raw/train-images*idx3-ubyte/train-images*idx3-ubyte'"
    )
    assert caught.value.hint == "put the four files of MNIST into MNIST/raw"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'{}' is not an IDX file of 3 dimensions"),
        (b"\x89PNG\r\n\x1a\n", "'{}' is not an IDX file of 3 dimensions"),
        (idx(np.zeros((2, 2, 2), np.uint8))[:-1], "'{}' has 7 values, its header says (2, 2, 2)"),
        (idx(np.zeros((0, 2, 2), np.uint8)), "'{}' has 0 values, its header says (0, 2, 2)"),
        (gzip.compress(idx(np.zeros((2, 2, 2), np.uint8)), mtime=0)[:-9], "'{}' is a damaged gzip file"),
    ],
)
def test_damaged_file_is_refused(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path, dimensions=3)
    assert caught.value.message == message.format(path)


def test_folder_instead_of_a_file_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        read_idx(tmp_path, dimensions=3)
    assert caught.value.message == f"'{tmp_path}' cannot be read: Is a directory"


def test_labels_of_other_images_are_refused(tmp_path):
    make_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    path.write_bytes(idx(np.zeros(7, np.uint8)))
    with pytest.raises(DataError) as caught:
        plan(tmp_path)
    assert caught.value.message == "train-images-idx3-ubyte has 600 digits and train-labels-idx1-ubyte 7 labels"


def test_label_that_is_no_digit_is_refused(tmp_path):
    make_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    path.write_bytes(idx(np.full(200, 10, np.uint8)))
    with pytest.raises(DataError) as caught:
        plan(tmp_path)
    assert caught.value.message == "t10k-labels-idx1-ubyte: label '10' is not a digit"


def test_class_without_an_image_is_refused(tmp_path):
    make_mnist(tmp_path)
    images, labels = real_digits()
    home = tmp_path / "MNIST" / "raw"
    (home / "t10k-images-idx3-ubyte").write_bytes(idx(images[labels != 3][:200]))
    (home / "t10k-labels-idx1-ubyte").write_bytes(idx(labels[labels != 3][:200]))
    with pytest.raises(DataError) as caught:
        plan(tmp_path)
    assert caught.value.message == "coloured-mnist: no image of 'digit_3' for the test fold"
