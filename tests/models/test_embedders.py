"""What makes embeddings: names, definitions, and that vectors are those of the network that is named."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import CxrshortError, DataError
from cxrshort.models.embedders import describe_embedders, embed_images, small_pixels
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

from .sources.tiny_clip import save_tiny_clip

FP32 = Compute("cpu", "fp32", 1)
CPU = {"device": "cpu", "precision": "fp32", "threads": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with films and a model that was trained on them."""
    home = tmp_path_factory.mktemp("embedders")
    build_dataset("phantom-III", out=home / "films", number_of_images=40, size=48, jobs=1, replicates=1)
    train(str(home / "films"), out=home / "model", arch="small-cnn", overrides={"epochs": 1}, **CPU)
    return home


@pytest.fixture
def films(home: Path) -> Dataset:
    return load_dataset(str(home / "films"))


def refusal(*names: str) -> str:
    with pytest.raises(CxrshortError) as caught:
        describe_embedders(names)
    return caught.value.message


def test_pixels_are_always_there_and_last(home: Path) -> None:
    assert [(embedder.name, embedder.unit) for embedder in describe_embedders([])] == [("pixels", False)]
    embedders = describe_embedders([str(home / "model"), f"again={home / 'model'}"])
    assert [embedder.name for embedder in embedders] == [str(home / "model"), "again", "pixels"]
    assert embedders[1].definition == f"features before the last layer of {home / 'model'}, raw"
    assert embedders[2].definition == "mean grey of 32 x 32 squares, no network"


def test_features_of_a_model_are_those_that_evaluate_writes(home: Path, films: Dataset, tmp_path: Path) -> None:
    evaluate([home / "model"], dataset=[str(home / "films")], out=tmp_path / "out", features=True, **CPU)
    test = films.fold("test", replicate=0)
    model, stored, _ = describe_embedders([f"net={home / 'model'}", f"written={tmp_path / 'out'}"])
    (own,), (written,) = (embed_images(embedder, [test], FP32) for embedder in (model, stored))
    np.testing.assert_allclose(own, written, rtol=1e-5, atol=1e-6)
    assert own.std() > 0 and stored.definition == "computed elsewhere (out), raw"


def test_small_pixels_are_means_of_squares(films: Dataset) -> None:
    """Of 48 pixels on 32 squares each square takes up to two; a side that divides is averaged exactly."""
    assert small_pixels(films).shape == (40, 1024)
    images = films.pixels.take(range(3)) / 255
    twice = images.repeat(2, axis=1).repeat(2, axis=2)[:, :64, :64]

    class Twice:
        image_shape = (64, 64)

        def take(self, indices: np.ndarray) -> np.ndarray:
            return np.rint(twice[indices] * 255).astype(np.uint8)

    data = Dataset("twice", films.manifest.head(3))
    object.__setattr__(data, "pixels", Twice())
    np.testing.assert_allclose(small_pixels(data), images[:, :32, :32].reshape(3, -1), atol=1e-6)


def test_clip_needs_no_labels_and_is_compared_by_its_angle(films: Dataset, tmp_path: Path) -> None:
    save_tiny_clip(tmp_path / "tiny")
    first, second, _ = describe_embedders(
        [f"clip:{tmp_path / 'tiny'}", f"other=clip:{tmp_path / 'tiny'}?labels=dog,cat"]
    )
    assert (first.name, first.unit) == ("clip:tiny", True)
    assert first.definition == f"features before the last layer of clip:{tmp_path / 'tiny'}, unit length"
    (plain,), (labelled,) = (embed_images(embedder, [films], FP32) for embedder in (first, second))
    np.testing.assert_array_equal(plain, labelled)
    np.testing.assert_allclose(np.linalg.norm(plain, axis=1), 1, rtol=1e-5)


def test_files_named_clip_are_compared_by_their_angle(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", image_id=np.array([f"{name}/1"]), v=np.ones((1, 2)))
    embedder, other, _ = describe_embedders(
        [f"BiomedCLIP={tmp_path / 'a.npz'}", f"net={tmp_path / 'a.npz'}", f"BiomedCLIP={tmp_path / 'b.npz'}"]
    )
    assert (embedder.unit, other.unit) == (True, False)
    assert embedder.definition == "computed elsewhere (a.npz, b.npz), unit length"
    data = Dataset("two", pd.DataFrame({"image_id": ["b/1", "a/1"]}))
    assert embed_images(embedder, [data], FP32)[0].shape == (2, 2)


def test_names_that_say_too_little_or_the_same_are_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, image_id=np.array(["a"]), v=np.ones((1, 2)))
    assert refusal(str(path)) == f"'{path}' has no name that tables could call it"
    assert refusal(f"a={path}", f"a={home / 'model'}") == "'a' is the name of two embeddings"
    assert refusal(f"pixels={path}") == "'pixels' is the embedding that is always there"
    assert refusal(str(tmp_path / "none")).startswith(f"'{tmp_path / 'none'}'")
    assert refusal(f"a={tmp_path / 'b.npz'}") == f"'{tmp_path / 'b.npz'}' does not exist"
    assert refusal("inception:a.pth") == "'a.pth' is not a .safetensors file: other files of weights may hold code"


def test_model_of_other_pixels_and_numbers_that_are_none_are_refused(
    home: Path, films: Dataset, tmp_path: Path
) -> None:
    (embedder, _) = describe_embedders([str(home / "model")])
    other = Dataset("other", films.manifest, recipe={**films.recipe, "equalise": True})
    with pytest.raises(DataError, match="was trained on images made with"):
        embed_images(embedder, [other], FP32)
    path = shutil.copytree(home / "model", tmp_path / "model") / "model.safetensors"
    with safe_open(path, "pt") as file:
        state, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    save_file({name: value * 1e30 for name, value in state.items()}, path, metadata)
    (embedder, _) = describe_embedders([f"nan={path}"])
    with pytest.raises(DataError) as caught:
        embed_images(embedder, [films], FP32)
    assert caught.value.message == "'nan' has no finite features for 40 of 40 images of films"
