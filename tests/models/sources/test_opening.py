"""What MODEL stands for: files, folders of runs, models trained elsewhere; and the identity of each."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cxrshort.compute import Compute
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.sources.opening import (
    describe_model,
    describe_models,
    expand_name,
    model_title,
    open_model,
    short_titles,
)

from .own_network import INPUT

CPU = Compute("cpu", "fp32", 1)
MODEL = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(16), dataset="I", seed=3)


def save(folder: Path, description: Description = MODEL) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / checkpoint.FILE
    checkpoint.save_model(factory.build_model(description, seed=description.seed), path, description=description)
    return path


@pytest.fixture
def runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with two replicates in ``runs/erm``."""
    for replicate in (1, 0):
        save(tmp_path / "runs" / "erm" / f"replicate-{replicate}", replace(MODEL, replicate=replicate, seed=replicate))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["runs/erm/replicate-0", "runs/erm/replicate-0/model.safetensors"])
def test_run_folder_and_its_file_are_the_same_model(runs_here: Path, name: str) -> None:
    reference = describe_model(name)
    content = (runs_here / "runs/erm/replicate-0/model.safetensors").read_bytes()
    assert reference.title == "runs/erm/replicate-0"
    assert reference.model_id == hashlib.sha256(content).hexdigest()[: len(reference.model_id)]
    assert len(reference.model_id) >= 8
    assert reference.description.replicate == 0
    assert [path.read_bytes() for path in reference.files.values()] == [content]


def test_opened_model_is_the_saved_one_and_scores(runs_here: Path) -> None:
    model = open_model("runs/erm/replicate-1", CPU)
    assert model.reference == describe_model("runs/erm/replicate-1") == open_model(model.reference, CPU).reference
    assert not model.classifier.training
    images, expected = torch.rand(2, 1, 16, 16), factory.build_model(MODEL, seed=1).eval()
    with torch.inference_mode():
        torch.testing.assert_close(model.classifier(images), expected(images))


def test_parent_folder_stands_for_its_replicates_in_order(runs_here: Path) -> None:
    assert expand_name("runs/erm") == [f"runs/erm/replicate-{number}/model.safetensors" for number in (0, 1)]
    assert [reference.description.replicate for reference in describe_models(["runs/erm"])] == [0, 1]
    with pytest.raises(UsageError) as caught:
        describe_model("runs/erm")
    assert caught.value.message == "'runs/erm' holds 2 models"
    assert caught.value.hint == "name one of them, such as runs/erm/replicate-0/model.safetensors"


def test_replicate_that_is_not_complete_is_said(runs_here: Path) -> None:
    (runs_here / "runs/erm/replicate-2").mkdir()
    (runs_here / "runs/erm/replicate-2/unfinished.json").write_text("{}")
    with pytest.raises(MissingInputError, match="'runs/erm/replicate-2' is not complete"):
        expand_name("runs/erm")
    (runs_here / "runs/erm/replicate-2/run.json").write_text("{}")
    assert len(expand_name("runs/erm")) == 2


def test_folder_above_is_answered_with_what_lies_below(runs_here: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        expand_name(".")
    assert caught.value.message == ("'.' holds no model; 2 lie deeper: 'runs/erm/replicate-0', 'runs/erm/replicate-1'")
    assert caught.value.hint == "name them, or the folder right above: cxrshort evaluate runs/erm ..."


def test_members_of_an_ensemble_are_no_models_of_their_own(tmp_path: Path) -> None:
    save(tmp_path / "a" / "b" / "run")
    save(tmp_path / "a" / "b" / "run" / "member-0")
    with pytest.raises(MissingInputError, match="1 lies deeper: "):
        expand_name(str(tmp_path / "a"))


def test_same_model_twice_is_refused(runs_here: Path) -> None:
    copy = save(runs_here / "copy", replace(MODEL, replicate=0, seed=0))
    assert copy.read_bytes() == (runs_here / "runs/erm/replicate-0/model.safetensors").read_bytes()
    with pytest.raises(UsageError) as caught:
        describe_models(["runs/erm", "copy"])
    assert caught.value.message == "'runs/erm/replicate-0' and 'copy' are the same model"


@pytest.mark.parametrize("name", ["nowhere", "nowhere/model.safetensors"])
def test_model_that_is_not_there_is_refused(runs_here: Path, name: str) -> None:
    with pytest.raises(MissingInputError, match="'nowhere"):
        describe_model(name)


def test_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"text")
    with pytest.raises(DataError):
        describe_model(str(tmp_path))


def test_training_of_a_model_without_a_recipe_is_its_own(runs_here: Path) -> None:
    reference = describe_model("runs/erm/replicate-0")
    assert reference.training_id == reference.model_id
    trained = replace(MODEL, recipe={"method": "erm", "task": "multiclass"})
    told = describe_model(str(save(runs_here / "told", trained)))
    assert told.training_id != told.model_id and told.outputs.name == "multiclass"
    assert reference.outputs.name == "multilabel"


def test_title_is_the_run_folder_or_the_name() -> None:
    assert model_title("a/b.safetensors") == "a/b.safetensors"
    assert model_title("py:a:b?size=16") == "py:a:b?size=16"
    assert model_title("run/model.safetensors") == "run"


def test_foreign_model_is_identified_by_its_weights_and_what_its_name_says(name: str, tmp_path: Path) -> None:
    """Where a file of weights lies and what it is called makes no other model; a label or a weight does."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Identity(), nn.Identity(), nn.Linear(4, 2))
    state = {f"layers.{key}": value for key, value in layers.state_dict().items()}
    for file, values in (("w", state), ("copy", state), ("other", {k: v + 1 for k, v in state.items()})):
        save_file(values, tmp_path / f"{file}.safetensors")
    module = f"py:{name}:plain"

    def identity(weights: str, options: str = INPUT) -> str:
        return describe_model(f"{module}?{options}&weights={weights}.safetensors").model_id

    first = identity("w")
    assert identity("copy") == identity("w") == first
    assert identity("w", "&".join(reversed(INPUT.split("&")))) == first
    assert identity("other") != first
    assert identity("w", INPUT.replace("Edema", "Mass")) != first
    reference = describe_model(f"{module}?{INPUT}&weights=w.safetensors")
    assert reference.title == reference.name == f"{module}?{INPUT}&weights=w.safetensors"
    assert list(reference.files.values()) == [Path("w.safetensors")]


@pytest.mark.parametrize(
    ("titles", "shown"),
    [
        (["runs/before", "runs/after"], ["before", "after"]),
        (["/home/me/runs/I/erm/replicate-0"], ["I/erm/replicate-0"]),
        (["/data/a/net", "/data/b/net", "/data/b/other"], ["a/net", "b/net", "other"]),
        (["/one/runs/before", "/two/runs/before"], ["one/runs/before", "two/runs/before"]),
        (["net", "/net"], ["net", "/net"]),
        (["py:zoo.nets:make", "nets/net.onnx?labels=A"], ["py:zoo.nets:make", "nets/net.onnx?labels=A"]),
        (["here"], ["here"]),
    ],
)
def test_short_titles_tell_models_apart(titles: list[str], shown: list[str]) -> None:
    assert list(short_titles(titles).values()) == shown
