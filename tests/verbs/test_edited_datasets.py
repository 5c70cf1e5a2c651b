"""Edited images are a dataset like any other: models are trained and evaluated on them, and persons stay guarded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort import runs
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.datasets.building.edits import edited_rows, of_edits
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.errors import DataError
from cxrshort.models.predictions import role_of
from cxrshort.models.sources.opening import describe_model
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
TRAINING = {"arch": "small-cnn", "overrides": {"epochs": 1}, **CPU}


def without_marker(data: Dataset, out: Path) -> Path:
    """Write the images with their side markers blacked, as a dataset."""
    marker = data.structures["marker"][0]
    assert data.masks is not None
    masks = data.masks.take(range(len(data.manifest)))

    def black(sources: np.ndarray, rows: pd.DataFrame) -> list[np.ndarray]:
        return [
            np.where(masks[number] & marker, np.uint8(0), pixels)
            for number, pixels in zip(rows.index, sources, strict=True)
        ]

    count = len(data.manifest)
    rows = edited_rows(data.manifest, range(count), ["marker blacked"] * count)
    with runs.open_run(out, "edit", arguments={}) as run:
        write_dataset(
            run, *of_edits(data, rows, black, settings="black"), settings=DatasetSettings("edited", data.recipe)
        )
    return out


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the dataset films, its edits, the edits of its test fold alone, and a model of the films."""
    home = tmp_path_factory.mktemp("edited")
    build_dataset("phantom-III", out=home / "films", number_of_images=60, size=32, jobs=1, replicates=2)
    data = load_dataset(str(home / "films"))
    without_marker(data, home / "edits")
    without_marker(data.fold("test", replicate=0), home / "test edits")
    train(str(home / "films"), out=home / "model", **TRAINING)
    return home


def test_only_the_marker_is_changed(home: Path) -> None:
    before, after = (load_dataset(str(home / name)) for name in ("films", "edits"))
    assert before.masks is not None
    everything = range(len(before.manifest))
    marker = (before.masks.take(everything) & before.structures["marker"][0]) > 0
    changed = before.pixels.take(everything) != after.pixels.take(everything)
    assert changed.any() and not changed[~marker].any()


@pytest.mark.parametrize("name", ["edits", "test edits"])
def test_model_is_evaluated_on_the_edits_of_its_test_fold(home: Path, tmp_path: Path, name: str) -> None:
    summary = evaluate([home / "model"], dataset=[str(home / "films"), str(home / name)], out=tmp_path, **CPU).summary
    assert [(row["dataset"], row["role"]) for row in summary["means"]] == [
        ("films", "internal"),
        ("edited", "internal"),
    ]
    table = pd.read_csv(tmp_path / "predictions.csv").set_index("image_id")
    edited = table[table["dataset"] == "edited"]
    assert set(edited["edit"]) == {"marker blacked"}
    assert edited["source_image_id"].tolist() == table.index[table["dataset"] == "films"].tolist()
    assert edited["person_id"].tolist() == table.loc[edited["source_image_id"], "person_id"].tolist()


def test_edits_of_training_patients_are_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        evaluate([home / "model"], dataset=[str(home / "edits")], split="all", out=tmp_path / "out", **CPU)
    assert "patients of edited (all)" in caught.value.message


def test_edits_of_the_test_fold_are_internal_by_what_they_were_made_from(home: Path, tmp_path: Path) -> None:
    """Nobody in them was in the training, so that without this record they would be called external."""
    data = load_dataset(str(home / "test edits"))
    summary = evaluate([home / "model"], dataset=[str(home / "test edits")], split="all", out=tmp_path, **CPU).summary
    assert [row["role"] for row in summary["means"]] == ["internal"]
    description = describe_model(str(home / "model")).description
    assert role_of(description, data) == "internal"
    assert role_of(description, replace(data, made_from={})) == "external"


def test_model_is_trained_on_edits_and_judged_on_the_films_they_were_made_from(home: Path, tmp_path: Path) -> None:
    train(str(home / "edits"), out=tmp_path / "model", **TRAINING)
    summary = evaluate([tmp_path / "model"], dataset=[str(home / "films")], out=tmp_path / "out", **CPU).summary
    assert [row["role"] for row in summary["means"]] == ["internal"]
    with pytest.raises(DataError, match="patients of films"):
        evaluate([tmp_path / "model"], dataset=[str(home / "films")], split="train", out=tmp_path / "no", **CPU)
