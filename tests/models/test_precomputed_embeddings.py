"""Embeddings from files are matched by image; what does not fit is refused with its name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError, DataError, MissingInputError
from cxrshort.models.precomputed_embeddings import is_precomputed, read_precomputed

NAMES = ["x/1", "x/2", "x/3"]
VALUES = np.arange(6, dtype=np.float32).reshape(3, 2)


def archive(path: Path, names: object = None, **arrays: object) -> Path:
    np.savez(path, image_id=np.array(NAMES if names is None else names), **(arrays or {"vectors": VALUES}))
    return path


def table(path: Path, names: list[str] = NAMES, values: np.ndarray = VALUES, **columns: object) -> Path:
    pd.DataFrame({"image_id": names, "0": values[:, 0], "1": values[:, 1], **columns}).to_csv(path, index=False)
    return path


def features(folder: Path, files: list[str]) -> Path:
    """Write what evaluate --features writes, in another order than the array's."""
    rows = {"model": files, "model_id": "m", "dataset": "D", "dataset_id": "d", "image_id": NAMES}
    pd.DataFrame({**rows, "file": files, "row": [2, 0, 1]}).to_csv(folder / "features.csv", index=False)
    for file in set(files):
        np.save(folder / file, VALUES)
    return folder


def refusal(*paths: Path) -> str:
    with pytest.raises(CxrshortError) as caught:
        read_precomputed(paths)
    return caught.value.message


def test_files_of_each_form_are_read_by_name(tmp_path: Path) -> None:
    for path in (archive(tmp_path / "a.npz"), table(tmp_path / "a.csv")):
        embeddings = read_precomputed([path])
        np.testing.assert_array_equal(embeddings.take(["x/3", "x/1"]), VALUES[[2, 0]])
    assert is_precomputed(str(tmp_path / "a.npz")) and not is_precomputed(str(tmp_path))
    folder = features(tmp_path, ["features.npy"] * 3)
    assert is_precomputed(str(folder))
    np.testing.assert_array_equal(read_precomputed([folder]).take(["x/1"]), VALUES[[2]])


def test_files_of_one_network_are_joined(tmp_path: Path) -> None:
    further = table(tmp_path / "b.csv", ["y/1", "y/2", "y/3"])
    embeddings = read_precomputed([archive(tmp_path / "a.npz"), further])
    np.testing.assert_array_equal(embeddings.take(["y/2", "x/2"]), VALUES[[1, 1]])
    assert refusal(archive(tmp_path / "a.npz"), archive(tmp_path / "c.npz", v=np.ones((3, 5)))) == (
        "a.npz, c.npz: embeddings of 2 and 5 numbers are not of one network"
    )
    assert refusal(tmp_path / "a.npz", table(tmp_path / "d.csv")) == (
        "a.npz, d.csv: 3 images stand more than once, such as 'x/1'"
    )


def test_images_without_an_embedding_are_named(tmp_path: Path) -> None:
    embeddings = read_precomputed([archive(tmp_path / "a.npz")])
    with pytest.raises(DataError) as caught:
        embeddings.take(["x/1", "z/1"])
    assert caught.value.message == "a.npz: 1 of 2 images have none, 'z/1'"
    with pytest.raises(DataError) as caught:
        embeddings.take([f"z/{number}" for number in range(5)])
    assert caught.value.message == (
        "a.npz holds embeddings of other images: 5 of 5 images have none, 'z/0', 'z/1', 'z/2' and 2 more"
    )


def test_embeddings_that_are_not_finite_are_refused_where_they_are_needed(tmp_path: Path) -> None:
    values = VALUES.copy()
    values[1, 0] = np.nan
    embeddings = read_precomputed([table(tmp_path / "a.csv", values=values)])
    assert embeddings.take(["x/1"]).shape == (1, 2)
    with pytest.raises(DataError, match="a.csv: 1 embeddings are not finite, such as that of 'x/2'"):
        embeddings.take(NAMES)


def test_archives_of_other_things_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert refusal(path) == f"'{path}' does not exist"
    path.write_bytes(b"PK\x03\x04 torn")
    assert refusal(path) == f"'{path}' is not a readable archive of arrays: it is damaged"
    np.savez(path, image_id=np.array(NAMES, dtype=object), v=VALUES)
    assert refusal(path) == f"'{path}' is not a readable archive of arrays: it holds Python objects"
    np.savez(path, v=VALUES)
    assert refusal(path) == f"'{path}' has no texts 'image_id', which say whose each row is"
    assert refusal(archive(path, a=VALUES, b=VALUES)) == (
        f"'{path}' must hold one array beside 'image_id', and holds 'a', 'b'"
    )
    assert refusal(archive(path, v=VALUES[:2])) == f"'{path}': 'v' is float32 (2, 2), not numbers (3, D)"


def test_tables_of_other_things_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert refusal(table(path, view=["PA", "AP", "PA"])) == "a.csv: column 'view' holds 'PA', not a number"
    path.write_text("image_id\nx/1\n")
    assert refusal(path) == "a.csv: there is no column of numbers"
    path.write_text("name,0\nx/1,2\n")
    assert refusal(path) == "a.csv: column 'image_id' is missing"


def test_features_of_several_models_or_elsewhere_are_refused(tmp_path: Path) -> None:
    folder = features(tmp_path, ["features-0.npy", "features-1.npy", "features-1.npy"])
    assert refusal(folder) == (
        f"'{folder / 'features.csv'}' holds features of 2 models (features-0.npy, features-1.npy)"
    )
    path = folder / "features.csv"
    path.write_text("image_id,file,row\nx/1,../a.npy,0\n")
    assert refusal(path) == f"'{path}': '../a.npy' is not a file beside it"
    path.write_text("image_id,file,row\nx/1,features-0.npy,7\n")
    assert refusal(path) == f"'{path}' does not fit 'features-0.npy', which is (3, 2)"
    path.write_text("image_id,file,row\nx/1,none.npy,0\n")
    with pytest.raises(MissingInputError):
        read_precomputed([path])
