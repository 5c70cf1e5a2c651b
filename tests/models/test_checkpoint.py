import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cxrshort.errors import CxrshortError, DataError, MissingInputError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.people import hash_people

PEOPLE = ["nih/1", "nih/2", "covid/7"]
DESCRIPTION = Description(
    kind="classifier",
    architecture="small-cnn",
    labels=("COVID-19", "Edema"),
    spec=InputSpec(size=32),
    dataset="I",
    replicate=3,
    seed=5,
    recipe={"method": "erm", "learning_rate": 0.01},
    selection={"split": "val", "epoch": 4, "score": 0.75},
    pixels={"size": 32, "fit": "crop"},
    training_people=hash_people(PEOPLE),
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    checkpoint.save_model(
        factory.build_model(DESCRIPTION, seed=1), tmp_path / "model.safetensors", description=DESCRIPTION
    )
    return tmp_path / "model.safetensors"


def rewrite(path: Path, change: dict[str, Any] | str) -> Path:
    """Write the same tensors under a changed header."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["cxrshort"])
    text = change if isinstance(change, str) else json.dumps(header | change)
    save_file(load_file(path), path, metadata={"cxrshort": text})
    return path


def refused(path: Path) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        factory.load_model(path)
    return caught.value


def test_header_comes_back_as_it_was_written(saved: Path) -> None:
    read = checkpoint.read_description(saved)
    assert read == DESCRIPTION
    (salt,) = DESCRIPTION.training_people
    assert list(read.training_people) == [salt]
    np.testing.assert_array_equal(read.training_people[salt], DESCRIPTION.training_people[salt])


def test_description_without_people_comes_back_too() -> None:
    bare = Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=16))
    assert Description.from_json(bare.to_json()) == bare
    assert len(Description.from_json(bare.to_json()).training_people) == 0


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        checkpoint.save_model(factory.build_model(DESCRIPTION, seed=1), tmp_path / name, description=DESCRIPTION)
    checkpoint.save_model(factory.build_model(DESCRIPTION, seed=2), tmp_path / "c", description=DESCRIPTION)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


def test_saving_leaves_nothing_but_the_model(saved: Path) -> None:
    assert [path.name for path in saved.parent.iterdir()] == ["model.safetensors"]


def test_file_that_is_not_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for content in (b"", b"\x00", b"not a model at all, but text", b"\xff" * 4096):
        path.write_bytes(content)
        error = refused(path)
        assert isinstance(error, DataError)
        assert (error.message, error.hint) == (f"'{path}' is not a model file", "cxrshort train makes a model")


def test_truncated_model_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    assert refused(saved).message == f"'{saved}' is not a model file"


def test_safetensors_of_others_are_refused(saved: Path) -> None:
    save_file(load_file(saved), saved)
    error = refused(saved)
    assert isinstance(error, DataError)
    assert error.message == f"'{saved}' was not written by cxrshort"
    assert error.hint == "give such weights to cxrshort train as --weights FILE"


def test_model_of_another_format_version_is_refused(saved: Path) -> None:
    error = refused(rewrite(saved, {"format": 99}))
    assert isinstance(error, DataError)
    assert error.message == f"'{saved}' has format 99, this version reads 1 to 2"
    assert error.hint == "use the version that wrote it"


@pytest.mark.parametrize("text", ["no json", "", "[" * 100_000, "1" * 5000])
def test_header_that_is_no_json_is_refused(saved: Path, text: str) -> None:
    error = refused(rewrite(saved, text))
    assert isinstance(error, DataError)
    assert (error.message, error.hint) == (f"'{saved}' has a damaged header", "train the model again")


def test_field_that_breaks_a_rule_is_named_with_its_value(saved: Path) -> None:
    error = refused(rewrite(saved, {"labels": 3}))
    assert isinstance(error, DataError)
    assert error.message == f"'{saved}': field 'labels' is '3', it must be a list of different names, one or more"
    assert error.hint == "the file was changed after it was written: train the model again, or download it again"


def test_model_of_the_first_format_is_read(saved: Path) -> None:
    """Its hashes are of SHA-256 without a salt, as one text."""
    digests = sorted(hashlib.sha256(f"cxrshort/{person}".encode()).digest()[:8][::-1] for person in PEOPLE)
    text = base64.b64encode(b"".join(digest[::-1] for digest in digests)).decode()
    _, description = factory.load_model(rewrite(saved, {"format": 1, "training_people": text}))
    assert checkpoint.trained_on(description, ["nih/1", "nih/9", "covid/7"]) == 2
    assert Description.from_json(description.to_json()) == description


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(saved: Path, value: float) -> None:
    tensors = load_file(saved)
    name = sorted(tensors)[0]
    tensors[name].view(-1)[1:3] = value
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
    save_file(tensors, saved, metadata=metadata)
    error = refused(saved)
    assert isinstance(error, DataError)
    expected = f"'{saved}': 2 of {tensors[name].numel()} weights in '{name}' are no finite numbers"
    assert error.message == expected


def test_complex_weights_are_refused(saved: Path) -> None:
    tensors = load_file(saved)
    name = sorted(tensors)[0]
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
    save_file({**tensors, name: tensors[name].to(torch.complex64)}, saved, metadata=metadata)
    error = refused(saved)
    assert isinstance(error, DataError)
    assert error.message == f"'{saved}': weights in '{name}' are complex numbers"


def test_tensors_that_do_not_fit_are_refused(saved: Path) -> None:
    error = refused(rewrite(saved, {"architecture": "resnet18"}))
    assert isinstance(error, DataError)
    outputs = "'architecture' ('resnet18') and 'labels' (2 outputs)"
    assert error.message == f"'{saved}' does not fit its fields {outputs}"
    assert error.hint == "train it again"


def test_trained_on_counts_distinct_shared_persons() -> None:
    assert checkpoint.trained_on(DESCRIPTION, ["nih/2", "nih/2", "covid/7", "nih/3"]) == 2
    assert checkpoint.trained_on(DESCRIPTION, ["nih/3"]) == 0
    assert checkpoint.trained_on(DESCRIPTION, []) == 0


def test_locate_takes_the_run_folder_or_the_file(saved: Path) -> None:
    assert (
        checkpoint.locate_model(saved)
        == checkpoint.locate_model(saved.parent)
        == checkpoint.locate_model(str(saved.parent))
        == saved
    )


def test_locate_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        checkpoint.locate_model(tmp_path)
    assert caught.value.message == f"'{tmp_path / 'model.safetensors'}' does not exist"
    assert caught.value.hint == "cxrshort train makes a model"


def test_locate_refuses_an_interrupted_run(saved: Path) -> None:
    (saved.parent / "unfinished.json").write_text("{}")
    with pytest.raises(MissingInputError) as caught:
        checkpoint.locate_model(saved.parent)
    assert caught.value.message == f"'{saved.parent}' is not complete"
    assert caught.value.hint == "cxrshort train with --resume continues it"


def test_locate_takes_a_run_that_was_killed_after_its_very_last_file(saved: Path) -> None:
    for name in ("unfinished.json", "run.json"):
        (saved.parent / name).write_text("{}")
    assert checkpoint.locate_model(saved.parent) == saved


def test_loaded_model_is_in_channels_last_memory(saved: Path) -> None:
    model, _ = factory.load_model(saved)
    first = next(iter(model.parameters()))
    assert first.is_contiguous(memory_format=torch.channels_last)
