from pathlib import Path

import pandas as pd
import pytest

from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError
from cxrshort.images.placement import place
from cxrshort.interventions.box_files import read_box_file

from ..training.tiny import tiny_manifest, write_dataset

HEADER = "image_id,region,x0,y0,x1,y1"


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Return eight images of 200 x 100 pixels in squares of 32, half of them in the test fold."""
    manifest = tiny_manifest(tmp_path / "tiny", people=4).assign(
        source_height="100", source_width="200", cache_fit="crop"
    )
    return load_dataset(str(write_dataset(tmp_path / "tiny", manifest)))


def read(data: Dataset, *rows: str, original: bool = False, header: str = HEADER) -> tuple[pd.DataFrame, list[str]]:
    assert data.path is not None
    path = data.path.parent.parent / "boxes.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_box_file(path, data.fold("test", replicate=0), whole=data, original=original)


def fails(data: Dataset, *rows: str, original: bool = False) -> str:
    with pytest.raises(DataError) as caught:
        read(data, *rows, original=original)
    return caught.value.message.partition("boxes.csv': ")[2]


def test_boxes_of_the_fold_are_kept_and_all_are_counted(data: Dataset) -> None:
    table, notes = read(data, "tiny/006,tag,1,2,5,6", "tiny/000,tag,1,2,5,6", "elsewhere/1,tag,0,0,1,1")
    assert table.values.tolist() == [["tiny/006", "tag", 1, 2, 5, 6]]
    assert notes == ["boxes.csv: 1 boxes match 1 of 2 images, 2 boxes are of other images"]


def test_boxes_of_other_images_alone_are_refused(data: Dataset) -> None:
    assert fails(data, "tiny/000,tag,1,2,5,6", "elsewhere/1,tag,0,0,1,1") == (
        "none of its 2 boxes is of an image that can be tested, the first is of 'tiny/000'; "
        "1 are of other images of tiny"
    )


def test_table_without_boxes_is_refused(data: Dataset) -> None:
    with pytest.raises(DataError, match=r"boxes\.csv"):
        read(data)


@pytest.mark.parametrize("edges", ["0,0,33,5", "-1,0,5,5", "5,0,5,5", "0,0,400,400", "a,0,5,5", "0.5,0,5,5"])
def test_boxes_outside_the_square_are_refused_with_their_number(data: Dataset, edges: str) -> None:
    message = fails(data, "tiny/006,tag,1,1,2,2", f"tiny/006,tag,{edges}")
    assert message.startswith(f"box 2 (tiny/006, tag, {edges.replace(',', ', ')}) is not a box")
    assert message.endswith("within 32 x 32")


def test_boxes_in_pixels_of_the_original_are_converted(data: Dataset) -> None:
    table, _ = read(data, "tiny/006,tag,60,10,90.5,40", original=True)
    placed = place(100, 200, size=32)
    exact = [60 * placed.scale_x + placed.left, 10 * placed.scale_y, 90.5 * placed.scale_x + placed.left, 12.8]
    got = table[["x0", "y0", "x1", "y1"]].values.tolist()[0]
    # Grown outwards to whole pixels.
    assert got == [int(exact[0]), int(exact[1]), -int(-exact[2] // 1), 13]


def test_original_boxes_that_the_square_does_not_show_are_counted(data: Dataset) -> None:
    table, notes = read(data, "tiny/006,tag,60,10,90,40", "tiny/006,tag,0,0,20,20", original=True)
    assert len(table) == 1 and notes[-1] == "1 boxes fell outside the cached square"


@pytest.mark.parametrize(
    ("edges", "why"),
    [
        ("0,0,201,50", "(tiny/006, tag, 0, 0, 201, 50) is not a box within its original of 200 x 100 pixels"),
        ("9,0,8,50", "(tiny/006, tag, 9, 0, 8, 50) is not a box within its original of 200 x 100 pixels"),
        ("x,0,8,50", "(tiny/006, tag, x, 0, 8, 50) is not a name, a region and four numbers"),
    ],
)
def test_original_boxes_outside_the_film_are_refused(data: Dataset, edges: str, why: str) -> None:
    assert fails(data, "tiny/000,tag,0,0,9,9", f"tiny/006,tag,{edges}", original=True) == f"box 2 {why}"


def test_dataset_that_does_not_know_its_originals_is_refused(tmp_path: Path) -> None:
    data = load_dataset(str(write_dataset(tmp_path / "tiny", tiny_manifest(tmp_path / "tiny", people=4))))
    with pytest.raises(DataError, match="no column 'source_height'"):
        read(data, "tiny/006,tag,1,1,2,2", original=True)


def test_table_without_a_column_is_refused(data: Dataset) -> None:
    with pytest.raises(DataError, match="region"):
        read(data, "tiny/006,1,2,5,6", header="image_id,x0,y0,x1,y1")
