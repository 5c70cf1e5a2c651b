"""Cells of a grid: the same noise in each, made once, and taken up again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError
from cxrshort.generative.roentmod.contract import Picture, Prompt
from cxrshort.generative.roentmod.phantom import PhantomEditor
from cxrshort.generative.roentmod.phantom import open_editor as open_phantom
from cxrshort.generative.roentmod.tuning_grid import Cell
from cxrshort.generative.roentmod.tuning_pictures import forecast_cells, make_cells, tuning_rows
from cxrshort.images.raster import ImageError
from cxrshort.verbs.build_dataset import build_dataset

PROMPTS = [Prompt("edema", "edema", "Edema"), Prompt("sham", "no acute cardiopulmonary process")]
CELLS = [Cell(0.2, None), Cell(0.9, None)]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("tuning") / "films"
    build_dataset("phantom-III", out=folder, number_of_images=3, size=32, jobs=1, replicates=1)
    return load_dataset(str(folder))


def events() -> tuple[list[dict[str, object]], object]:
    taken: list[dict[str, object]] = []
    return taken, lambda event: taken.append(dict(event))


def test_rows_are_by_prompt_and_image_without_round_trips(films: Dataset) -> None:
    rows = tuning_rows(films, PROMPTS, seed=0)
    assert rows["edit"].tolist() == ["edema"] * 3 + ["sham"] * 3
    assert rows["source_image_id"].tolist() == films.manifest["image_id"].tolist() * 2
    assert rows["edit_seed"].tolist()[:3] == rows["edit_seed"].tolist()[3:]


def test_shams_of_all_cells_are_the_same_and_findings_grow(films: Dataset, tmp_path: Path) -> None:
    rows = tuning_rows(films, PROMPTS, seed=0)
    cells = make_cells(open_phantom(data=films), CELLS, films, rows, home=tmp_path, report=lambda event: None)
    (weak, _), (strong, made) = (cell.read() for cell in cells)
    assert weak.shape == (2, 3, 32, 32) and made.all()
    np.testing.assert_array_equal(weak[1], strong[1])
    change = [np.abs(part[0].astype(int) - part[1]).mean() for part in (weak, strong)]
    assert 0 < change[0] < change[1]


def test_cells_that_are_there_are_not_made_again(films: Dataset, tmp_path: Path) -> None:
    rows = tuning_rows(films, PROMPTS, seed=0)
    made: list[int] = []

    class Counting(PhantomEditor):
        def __call__(self, sources: np.ndarray, chosen: pd.DataFrame) -> list[Picture | ImageError]:
            made.append(len(chosen))
            return list(super().__call__(sources, chosen))

    plain = open_phantom(data=films)
    editor = Counting(plain.phantoms, plain.size, batch_size=4)
    make_cells(editor, CELLS[:1], films, rows, home=tmp_path, report=lambda event: None)
    assert made == [4, 4]
    taken, report = events()
    make_cells(editor, CELLS, films, rows, home=tmp_path, report=report)  # type: ignore[arg-type]
    assert made == [4, 4, 4, 4] and [event["done"] for event in taken if event["event"] == "cells"] == [1, 2]
    make_cells(editor, CELLS, films, tuning_rows(films, PROMPTS, seed=1), home=tmp_path, report=report)  # type: ignore[arg-type]
    assert len(made) == 8 and len(list(tmp_path.glob("*.npz"))) == 4


def test_first_cell_gives_a_forecast_of_the_others(films: Dataset, tmp_path: Path) -> None:
    taken, report = events()
    rows = tuning_rows(films, PROMPTS, seed=0)
    make_cells(open_phantom(data=films), CELLS, films, rows, home=tmp_path, report=report)  # type: ignore[arg-type]
    notes = [event["text"] for event in taken if event["event"] == "note"]
    assert notes == ["cells left: 1, less than a minute"]
    cost = forecast_cells(open_phantom(data=films), CELLS, films, rows)
    assert cost["images_per_second"] > 0 and cost["disk_mib"] == pytest.approx(12 * 32 * 32 / 2**20, abs=0.1)


def test_edits_that_fail_are_black_and_marked(films: Dataset, tmp_path: Path) -> None:
    class Failing(PhantomEditor):
        def __call__(self, sources: np.ndarray, rows: pd.DataFrame) -> list[Picture | ImageError]:
            outcomes = list(super().__call__(sources, rows))
            return [
                ImageError("no") if edit == self.noise else out
                for edit, out in zip(rows["edit"], outcomes, strict=True)
            ]

    plain = open_phantom(data=films)
    rows = tuning_rows(films, PROMPTS, seed=0)
    some = Failing(plain.phantoms, plain.size, noise="edema")
    pictures, made = make_cells(some, CELLS[:1], films, rows, home=tmp_path, report=lambda event: None)[0].read()
    assert made.tolist() == [[False] * 3, [True] * 3] and not pictures[0].any()
    everything = Failing(plain.phantoms, plain.size, noise="edema")
    with pytest.raises(DataError, match="no picture of the grid could be made"):
        edema = rows[rows["edit"] == "edema"].reset_index(drop=True)
        make_cells(everything, CELLS[:1], films, edema, home=tmp_path, report=lambda event: None)


def test_damaged_file_is_named(films: Dataset, tmp_path: Path) -> None:
    rows = tuning_rows(films, PROMPTS, seed=0)
    cell = make_cells(open_phantom(data=films), CELLS[:1], films, rows, home=tmp_path, report=lambda event: None)[0]
    cell.path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="is damaged"):
        cell.read()
