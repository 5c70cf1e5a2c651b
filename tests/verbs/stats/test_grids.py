"""Grids of models from one table of predictions or from a folder of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError
from cxrshort.verbs.stats.grids import read_grids

from .scored import plain, predictions, two_trainings, written


def refusal(place: Path) -> tuple[int, str]:
    with pytest.raises(CxrshortError) as caught:
        read_grids(place, label=None, person=None)
    return caught.value.exit_code, caught.value.message


def test_models_of_one_table_in_one_order_of_images(tmp_path: Path) -> None:
    table = two_trainings(replicates=2)
    table = table.sample(frac=1, random_state=0)
    _, grids, notes = read_grids(written(table, tmp_path), label="Edema", person=None)
    assert [(grid.facts["label"], len(grid.models)) for grid in grids] == [("Edema", 4)] * 2 and notes == []
    grid = next(grid for grid in grids if grid.facts["dataset"] == "hospital-a")
    wide = table[table["dataset"] == "hospital-a"].pivot(
        index="image_id", columns=["training", "replicate"], values="logit.Edema"
    )
    expected = [wide[name.partition(", ")[0], int(name[-1])] for name in grid.models]
    assert (np.sort(grid.table[1], axis=0) == np.sort(np.stack(expected, axis=1), axis=0)).all()
    rows = pd.DataFrame(grid.table[1]).sort_values(0).to_numpy()
    assert (rows == pd.DataFrame(np.stack(expected, axis=1)).sort_values(0).to_numpy()).all()


def test_folder_of_tables_equals_one(tmp_path: Path) -> None:
    table = two_trainings()
    for training in ("t", "u"):
        (tmp_path / "sweep" / training).mkdir(parents=True)
        written(table[table["training_id"] == training], tmp_path / "sweep" / training)
    sources, grids, _ = read_grids(tmp_path / "sweep", label="Edema", person=None)
    _, whole, _ = read_grids(written(table, tmp_path), label="Edema", person=None)
    assert len(sources) == 2
    for left, right in zip(grids, whole, strict=True):
        assert (left.table[1] == right.table[1]).all()
    assert grids[0].models == ["a/small-cnn/erm, replicate 0, t", "b/small-cnn/tea, replicate 0, u"]


def test_models_with_images_of_their_own_are_left_out_and_counted(tmp_path: Path) -> None:
    table = two_trainings(replicates=2)
    own = (table["replicate"] == 1) & (table["training_id"] == "u") & (table["dataset"] == "hospital-a")
    table.loc[own, "image_id"] += "/other"
    _, grids, notes = read_grids(written(table, tmp_path), label="Edema", person=None)
    assert [len(grid.models) for grid in grids] == [3, 4]
    assert notes == ["1 model is alone with its test images, such as a replicate's own fold: left out"]


def test_what_is_no_grid_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == (66, f"'{tmp_path / 'none'}' does not exist")
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty") == (66, f"'{tmp_path / 'empty'}' holds no predictions.csv")
    single = written(predictions(), tmp_path)
    assert refusal(single) == (65, f"'{single}': no test set was scored by two models")
    assert refusal(plain(tmp_path))[0] == 65
    table = two_trainings()
    odd = (table["training_id"] == "u") & (table["image_id"] == "hospital-a/3")
    table.loc[odd, "target.Edema"] = 1 - table.loc[odd, "target.Edema"]
    message = "Edema on hospital-a: 1 of 60 images have different targets for 'b/small-cnn/tea, replicate 0'"
    assert refusal(written(table, tmp_path)) == (65, message)
