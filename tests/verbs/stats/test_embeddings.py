"""Features of rows: joined by identity or by place, never by luck."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.verbs.stats.embeddings import open_embeddings
from cxrshort.verbs.stats.scores import Scores, read_scores
from cxrshort.verbs.stats.source import Source, open_source

from .groups import sliced_predictions
from .scored import plain

IDENTITY = ["model_id", "dataset_id", "image_id"]


def part_of(source: Source) -> Scores:
    return read_scores(source, target=None, score=None, person=None, label=None, columns=IDENTITY).parts[0]


def test_rows_are_joined_by_identity_in_any_order(tmp_path: Path) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev")
    array = np.load(folder / "features.npy")
    source = open_source(folder)
    np.testing.assert_array_equal(open_embeddings(None, source).take(part_of(source))[np.arange(1600)], array)
    table = pd.read_csv(folder / "predictions.csv").sample(frac=0.5, random_state=0)
    table.to_csv(tmp_path / "half.csv", index=False)
    source = open_source(tmp_path / "half.csv")
    taken = open_embeddings(str(folder), source).take(part_of(source))
    np.testing.assert_array_equal(taken[np.arange(800)], array[table.index])
    np.testing.assert_array_equal(taken[np.array([7, 7, 3])], array[table.index[[7, 7, 3]]])
    assert taken.shape == (800, array.shape[1])


def test_array_alone_has_the_rows_of_the_table(tmp_path: Path) -> None:
    table = plain(tmp_path, label=[0, np.nan, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    array = np.arange(24.0).reshape(12, 2)
    np.save(tmp_path / "z.npy", array)
    source = open_source(table)
    part = read_scores(source, target="label", score="score", person="patient", label=None).parts[0]
    taken = open_embeddings(str(tmp_path / "z.npy"), source).take(part)
    features = taken[np.arange(11)]
    np.testing.assert_array_equal(features, np.delete(array, 1, axis=0))
    assert features.dtype == np.float32


def test_array_of_other_length_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.zeros((11, 2)))
    with pytest.raises(DataError) as caught:
        open_embeddings(str(tmp_path / "z.npy"), open_source(plain(tmp_path)))
    assert caught.value.message == f"'{tmp_path / 'z.npy'}' has 11 rows and scores.csv 12: they must be as many"


def test_images_without_features_are_counted_and_named(tmp_path: Path) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev")
    rows = pd.read_csv(folder / "features.csv")
    rows.drop(index=[4, 9]).to_csv(folder / "features.csv", index=False)
    source = open_source(folder)
    with pytest.raises(DataError) as caught:
        open_embeddings(None, source).take(part_of(source))
    assert caught.value.message == "features.csv: 2 of 1,600 rows have no features, such as 'tiny/4'"
    assert caught.value.hint == "cxrshort evaluate MODEL --dataset D --features writes them"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": 1600}, "row 1600 is outside 'features.npy', which has 1,600"),
        ({"file": "../features.npy"}, "'../features.npy' is not a file beside it"),
        ({"image_id": "tiny/1"}, "is damaged: a row has no number, or an image stands twice"),
    ],
)
def test_damaged_table_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev")
    rows = pd.read_csv(folder / "features.csv")
    rows.loc[0, list(change)] = list(change.values())
    rows.to_csv(folder / "features.csv", index=False)
    with pytest.raises(DataError) as caught:
        open_embeddings(None, open_source(folder))
    assert message in caught.value.message


def test_array_of_another_shape_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.zeros(12))
    with pytest.raises(DataError) as caught:
        open_embeddings(str(tmp_path / "z.npy"), open_source(plain(tmp_path)))
    assert caught.value.message.endswith("holds float64 (12,), not numbers (images, features)")


def test_nothing_there_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev")
    (folder / "features.csv").unlink()
    with pytest.raises(MissingInputError) as missing:
        open_embeddings(None, open_source(folder))
    assert missing.value.hint == "cxrshort evaluate MODEL --dataset D --features writes them"
    with pytest.raises(UsageError) as caught:
        open_embeddings(None, open_source(plain(tmp_path)))
    assert caught.value.message == "scores.csv is no table of predictions, and 'features.csv' is for those"
    with pytest.raises(UsageError) as caught:
        open_embeddings(None, Source("standard input", None, ("a",)))
    assert caught.value.message == "standard input has no features beside it"
