"""What models and small pictures say of cells, and what limits are taken from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.compute import choose_compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError
from cxrshort.generative.roentmod.tuning_grid import Cell
from cxrshort.generative.roentmod.tuning_pictures import CellPictures
from cxrshort.models.embedders import small_vectors
from cxrshort.models.sources.opening import describe_models, open_model
from cxrshort.verbs.roentmod.tune_scores import (
    SAME_PERSON,
    TWO_PERSONS,
    PictureSource,
    check_models,
    find_pairs,
    score_model,
    score_pixels,
)
from cxrshort.verbs.train import train

from .painted_edits import build_films

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tuning")
    build_films(home, images=60)
    train(str(home / "films"), arch="small-cnn", overrides={"epochs": 1}, out=home / "model", **CPU)  # type: ignore[arg-type]
    return home


@pytest.fixture(scope="module")
def films(home: Path) -> Dataset:
    return load_dataset(str(home / "films"))


def one_cell(folder: Path, pictures: np.ndarray, made: np.ndarray) -> CellPictures:
    np.savez(folder / "cell.npz", pictures=pictures, made=made)
    return CellPictures(Cell(0.5, None), folder / "cell.npz", pictures.shape, {})  # type: ignore[arg-type]


def test_thumbnails_are_means_of_squares() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64)).astype(np.uint8)
    means = pictures.reshape(2, 32, 2, 32, 2).mean(axis=(2, 4)).reshape(2, -1) / 255
    np.testing.assert_allclose(small_vectors(pictures), means, atol=1e-6)
    assert small_vectors(pictures[:, :16, :16]).shape == (2, 256)


def test_pictures_in_memory_are_a_source() -> None:
    pictures = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    source = PictureSource(pictures)
    assert len(source) == 3 and source.image_shape == (2, 2)
    np.testing.assert_array_equal(source.take([2, 0]), pictures[[2, 0]])


def test_pixels_have_distances_from_their_originals(tmp_path: Path) -> None:
    originals = np.zeros((2, 32, 32), np.uint8)
    pictures = np.zeros((1, 2, 32, 32), np.uint8)
    pictures[0, 0, 0] = 255
    cell = one_cell(tmp_path, pictures, np.array([[True, False]]))
    scores = score_pixels(originals, [cell], None)
    assert scores.distances[0][0, 0] == pytest.approx(32) and np.isnan(scores.distances[0][0, 1])
    assert scores.limit is None and scores.labels == ()


def test_model_says_of_unchanged_pictures_what_it_says_of_originals(home: Path, films: Dataset, tmp_path: Path) -> None:
    originals = films.pixels.take(range(4))
    pictures = np.stack([originals, 255 - originals])
    cell = one_cell(tmp_path, pictures, np.array([[True] * 4, [True, True, True, False]]))
    compute = choose_compute(**CPU)  # type: ignore[arg-type]
    reference = describe_models([str(home / "model")])[0]
    scores = score_model(open_model(reference, compute), originals, [cell], find_pairs(films, films, seed=0), compute)
    # The same pictures in batches of 4 and of 8: other kernels, so that the last digits differ.
    np.testing.assert_allclose(scores.after[0][0], scores.before, atol=1e-4)
    np.testing.assert_allclose(scores.distances[0][0], 0, atol=1e-6)
    assert np.isnan(scores.after[0][1, 3]).all() and np.isnan(scores.distances[0][1, 3])
    assert (scores.distances[0][1, :3] > 0).all() and scores.limit is not None and scores.limit > 0
    assert len(scores.labels) == scores.before.shape[1] and scores.limit_of == SAME_PERSON


def test_limit_is_of_one_person_where_somebody_has_two_images(films: Dataset) -> None:
    pairs = find_pairs(films, films, seed=0)
    assert pairs is not None and pairs.kind == SAME_PERSON
    counts = films.manifest["person_id"].value_counts()
    assert len(pairs.first) == min(50, int((counts > 1).sum()))
    single = films.manifest.drop_duplicates("person_id").head(4).reset_index(drop=True)
    lonely = Dataset("lonely", single, recipe=films.recipe)
    others = find_pairs(lonely, lonely, seed=0)
    assert others is not None and others.kind == TWO_PERSONS and len(others.first) == 6
    alone = Dataset("alone", single.head(1), recipe=films.recipe)
    assert find_pairs(alone, alone, seed=0) is None


def test_edited_images_are_no_real_pairs(films: Dataset) -> None:
    edited = Dataset("edited", films.manifest.assign(edit="edema"), recipe=films.recipe)
    pairs = find_pairs(edited, Dataset("few", films.manifest.head(3), recipe=films.recipe), seed=0)
    assert pairs is None or pairs.kind == TWO_PERSONS


def test_training_images_are_refused_unless_they_are_asked_for(home: Path, films: Dataset) -> None:
    references = describe_models([str(home / "model")])
    seen, unseen = films.fold("train", replicate=0), films.fold("val", replicate=0)
    assert check_models(references, films, films.fold("test", replicate=0), split="test") == []
    assert (
        check_models(references, films, unseen, split="val")[0].partition("' was ")[2].startswith("chosen by images of")
    )
    with pytest.raises(DataError, match="was trained on"):
        check_models(references, films, unseen, split="val", replicate=1)
    with pytest.raises(DataError, match="was trained on .* of the .* persons whose images are edited"):
        check_models(references, films, seen, split="all")
    assert "was trained on images of" in check_models(references, films, seen, split="train")[0]
    other = Dataset("other", pd.DataFrame(films.manifest), recipe={**films.recipe, "equalise": True})
    with pytest.raises(DataError):
        check_models(references, other, unseen, split="val")
