"""Copies of films under other persons, through re-encoding, and different films, which are no copies."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from cxrshort.images.reduction import reduce_images
from cxrshort.verbs.stats.cohort_tables import ColumnNames, read_cohort
from cxrshort.verbs.stats.near_identical import drawing, find_near_identical

from .cohorts import SIDE, dataset, film, manifest


def read(folder: Path):
    return read_cohort(str(folder), ColumnNames())


def recompressed(picture: Image.Image, quality: int = 50) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue()))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg": recompressed,
    "half size": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.8),
    "brightness": lambda picture: ImageEnhance.Brightness(picture).enhance(1.15),
    "all of them": lambda picture: ImageEnhance.Contrast(recompressed(picture.resize((256, 256)))).enhance(0.85),
}


def square(path: Path) -> Image.Image:
    picture = Image.open(path).convert("L")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


@pytest.mark.parametrize("name", COPIES)
def test_real_copies_are_found_and_other_films_are_not(name: str, test_data: Path, tmp_path: Path) -> None:
    paths = sorted((test_data / "nih" / "images").glob("*.png"))[::25][:40]
    pictures = [square(path) for path in paths]
    original = np.stack([np.asarray(picture.resize((112, 112))) for picture in pictures])
    copied = np.stack([np.asarray(COPIES[name](picture).resize((96, 96))) for picture in pictures[:20]])
    rows = [manifest(len(films), name=title) for films, title in ((original, "A"), (copied, "B"))]
    tables = [
        read(dataset(tmp_path / title, own, films))
        for title, own, films in zip("AB", rows, (original, copied), strict=True)
    ]
    near = find_near_identical(tables)
    assert near["A", "A"].table.empty and near["B", "B"].table.empty
    pairs = near["A", "B"].table
    assert sorted(zip(pairs["row_first"], pairs["row_second"], strict=True)) == [(row, row) for row in range(20)]
    assert (pairs["correlation"] >= 0.85).all()
    assert (near["A", "B"].compared, near["A", "B"].side) == (60, 64)


def test_pairs_of_one_person_are_left_out_and_unknown_persons_are_their_own(tmp_path: Path) -> None:
    films = np.stack([film(0), film(0), film(1), film(2), film(1), film(0)])
    rows = manifest(6).assign(person_id=["A", "A", "", "B", "", "A"], split_0=["train"] * 4 + ["test"] * 2)
    table = find_near_identical([read(dataset(tmp_path / "I", rows, films))])["I", "I"].table
    assert table[["row_first", "row_second", "crosses"]].values.tolist() == [[2, 4, True]]
    assert table[["folds_first", "folds_second"]].values.tolist() == [["train", "test"]]


def test_colour_and_larger_images_are_reduced_in_blocks() -> None:
    class Stack:
        image_shape = (3, 80, 80)

        def __init__(self) -> None:
            self.pictures = np.random.default_rng(0).integers(0, 256, (300, 3, 80, 80), dtype=np.uint8)

        def __len__(self) -> int:
            return len(self.pictures)

        def take(self, rows: np.ndarray) -> np.ndarray:
            return self.pictures[rows]

    stack = Stack()
    reduced = reduce_images(stack, 64)
    grey = Image.fromarray(stack.pictures[299].mean(axis=0).astype(np.uint8))
    assert np.array_equal(reduced[299], np.asarray(grey.resize((64, 64), Image.Resampling.BILINEAR)))
    assert reduced.shape == (300, 64, 64)


def test_sheet_shows_each_pair(tmp_path: Path) -> None:
    films = np.stack([film(number) for number in range(6)])
    films[4] = films[1]
    rows = manifest(6).assign(person_id=list("ABCDEF"), split_0=["train"] * 3 + ["test"] * 3)
    table = read(dataset(tmp_path / "I", rows, films))
    draw = drawing([table], find_near_identical([table])["I", "I"].table)
    assert draw is not None
    (path,) = draw(lambda name: tmp_path / name)
    assert path.name == "near-identical.png"
    with Image.open(path) as sheet:
        assert sheet.width > 2 * 3 * SIDE
    assert drawing([table], pd.DataFrame()) is None
