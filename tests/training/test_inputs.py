"""What a training run is made from, and what identifies it."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.training import recipes
from cxrshort.training.inputs import TrainingJob, hash_manifest, identify, name_training

DATA = Dataset("I", pd.DataFrame({"image_id": ["a", "b"]}))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def job(data: Dataset = DATA, **overrides: object) -> TrainingJob:
    recipe = recipes.load_recipe("standard", overrides=overrides)
    return TrainingJob(data, "resnet18", recipe, 0, 0, Path("run"), Compute("cpu", "fp32", 1))


def test_recipe_names_files_by_their_content(tmp_path: Path) -> None:
    for name, content in (("w.pt", b"weights"), ("m.npy", b"masks"), ("s.safetensors", b"segmenter")):
        (tmp_path / name).write_bytes(content)
    files = {
        "weights": str(tmp_path / "w.pt"),
        "mask_file": str(tmp_path / "m.npy"),
        "segmenter": str(tmp_path / "s.safetensors"),
    }
    recipe = replace(recipes.load_recipe("standard"), **files)
    identity = identify(recipe)
    contents = {"weights": b"weights", "mask_file": b"masks", "segmenter": b"segmenter"}
    assert {name: identity[name] for name in contents} == {
        name: f"sha256:{sha256(content)}" for name, content in contents.items()
    }
    assert {name: value for name, value in identity.items() if name not in files} == {
        name: value for name, value in recipe.record().items() if name not in files
    }


def test_recipe_without_files_is_identified_by_its_words() -> None:
    recipe = recipes.load_recipe("degrave2021")
    assert identify(recipe) == recipe.record()


@pytest.mark.parametrize(
    ("recipe", "overrides", "name"),
    [
        ("standard", {}, "erm"),
        ("standard", {"method": "rrr"}, "rrr"),
        ("degrave2021", {}, "erm, degrave2021"),
        ("degrave2021", {"epochs": 2, "labels": "A,B"}, "erm, degrave2021, epochs=2, labels=A,B"),
    ],
)
def test_training_is_named_by_its_method_and_what_differs_from_its_recipe(recipe, overrides, name) -> None:
    assert name_training(recipes.load_recipe(recipe, overrides=overrides)) == name


def test_name_of_a_training_has_the_first_digits_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"weights")
    recipe = replace(recipes.load_recipe("standard"), weights=str(tmp_path / "w.pt"))
    assert name_training(recipe) == f"erm, weights={sha256(b'weights')[:8]}"


def test_hash_of_a_manifest_is_of_its_file_or_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(b"image_id\r\na\r\nb\r\n")
    assert hash_manifest(replace(DATA, path=path)) == sha256(path.read_bytes())
    assert hash_manifest(DATA) == sha256(b"image_id\na\nb\n")


def test_record_keeps_the_hashes_of_manifest_and_masks(tmp_path: Path) -> None:
    masks = tmp_path / "m.npy"
    masks.touch()
    assert job().files() == {}
    data = replace(DATA, path=Path("I/manifest.csv"))
    assert job(data, mask_file=str(masks), method="rrr").files() == {
        "manifest": Path("I/manifest.csv"),
        "mask_file": masks,
    }


def test_sources_are_what_a_person_would_name() -> None:
    assert job().sources() == ["standard input"]
    data = replace(DATA, path=Path("I/manifest.csv"))
    assert job(data, weights="w.pt", mask_file="m.npy", method="rrr").sources() == ["I/manifest.csv", "w.pt", "m.npy"]
    assert job(data, segmenter="seg", method="rrr").sources() == ["I/manifest.csv", "seg"]


def test_events_of_a_sweep_say_which_run_they_are_of() -> None:
    events: list[object] = []
    reporting = replace(job(), report=events.append)
    reporting.titled("replicate 1")({"event": "step"})
    reporting.titled("replicate 1")({"event": "step", "run": "member 2"})
    reporting.titled("")({"event": "step", "run": "member 2"})
    assert [event["run"] for event in events] == ["replicate 1", "replicate 1, member 2", "member 2"]
