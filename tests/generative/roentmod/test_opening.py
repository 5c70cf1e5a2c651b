"""Editors opened by name: options of their own, refusals before anything is read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.generative.roentmod.contract import Prompt
from cxrshort.generative.roentmod.opening import (
    EditorOptions,
    check_files,
    check_words,
    editor_parameters,
    open_editor,
    parse_editor,
    size_notes,
)
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.train import train

from ...training.tiny import tiny_dataset
from .tiny_pipeline import build

CPU = Compute("cpu", "fp32", 1)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("difusion", {}, "'difusion' is not a known editor"),
        ("diffusion", {}, "--generator is missing: the editor 'diffusion' needs the folder of a pipeline"),
        ("diffusion", {"generator": "g", "strength": 1.4}, "--strength is '1.4', it must be from 0 to 1"),
        ("diffusion", {"generator": "g", "strength": 4.0}, "--strength is '4', it must be from 0 to 1"),
        ("diffusion", {"generator": "g", "strength": -0.1}, "--strength is '-0.1', it must be from 0 to 1"),
        ("diffusion", {"generator": "g", "guidance": 0.4}, "--guidance is '0.4', it must be 1 or more"),
        ("diffusion", {"generator": "g", "guidance": float("nan")}, "--guidance is 'nan', it must be 1 or more"),
        ("diffusion", {"generator": "g", "guidance": float("inf")}, "--guidance is 'inf', it must be 1 or more"),
        ("diffusion", {"generator": "g", "steps": 0}, "--steps is '0', it must be 1 or more"),
        ("diffusion", {"generator": "g", "severity": 0.5}, "--severity is of the editor 'phantom', not of 'diffusion'"),
        ("phantom", {"strength": 0.0}, "--strength is of the editor 'diffusion', not of 'phantom'"),
        ("phantom", {"batch_size": 0}, "--batch-size is '0', it must be 1 or more"),
        ("phantom:model", {}, "--editor is 'phantom:model'"),
    ],
)
def test_options_that_make_no_sense_are_refused(text: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_editor(text, EditorOptions(**options))  # type: ignore[arg-type]
    assert caught.value.message == message and caught.value.hint


def test_swapped_numbers_get_the_hint_that_the_paper_swaps_them() -> None:
    with pytest.raises(UsageError) as caught:
        parse_editor("diffusion", EditorOptions(generator="g", strength=4.0, guidance=0.4))
    assert caught.value.hint.endswith("--strength 0.4 --guidance 4")


def test_options_that_were_not_asked_for_are_left_to_the_editor() -> None:
    assert EditorOptions().chosen() == {}
    assert EditorOptions(strength=0.0, fast=True).chosen() == {"strength": 0.0, "fast": True}


def test_model_and_generator_that_are_not_there_are_refused_before_a_dataset_is_read(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        check_files("cyclegan", str(tmp_path / "nowhere"), EditorOptions())
    assert (caught.value.message, caught.value.hint) == (
        f"'{tmp_path / 'nowhere'}' does not exist",
        "cxrshort cyclegan train makes one",
    )
    tiny_dataset(tmp_path / "films", name="films", people=4, size=32)
    train(str(tmp_path / "films"), arch="small-cnn", overrides={"epochs": 1}, out=tmp_path / "model", device="cpu")
    with pytest.raises(UsageError, match="is a classifier, not a cyclegan"):
        check_files("cyclegan", str(tmp_path / "model"), EditorOptions())
    with pytest.raises(DataError, match="is not a diffusers pipeline"):
        check_files("diffusion", "", EditorOptions(generator=str(tmp_path / "films")))
    generator = str(build(tmp_path / "generator"))
    check_files("diffusion", "", EditorOptions(generator=generator))
    with pytest.raises(MissingInputError, match="'other' does not exist"):
        check_files("diffusion", "", EditorOptions(generator=generator, vae="other"))
    check_files("diffusion", "", EditorOptions(generator="somebody/generator", hub=True))
    check_files("phantom", "", EditorOptions())


def test_phantom_opens_with_its_options(tmp_path: Path) -> None:
    build_dataset("phantom-III", out=tmp_path / "p", number_of_images=2, size=32, jobs=1, replicates=1)
    data = load_dataset(str(tmp_path / "p"))
    options = EditorOptions(severity=0.3, keep_noise=True, batch_size=3)
    editor = open_editor(*parse_editor("phantom", options), options, data=data, compute=CPU)
    assert editor_parameters(editor) == {"severity": 0.3, "noise": "kept"} and editor.batch_size == 3
    check_words(editor, [Prompt("edema", "words " * 1000)])  # nothing reads them


def test_diffusion_opens_with_the_numbers_of_the_paper(tmp_path: Path) -> None:
    build_dataset("phantom-III", out=tmp_path / "p", number_of_images=2, size=32, jobs=1, replicates=1)
    options = EditorOptions(generator=str(build(tmp_path / "tiny")))
    data = load_dataset(str(tmp_path / "p"))
    editor = open_editor(*parse_editor("diffusion", options), options, data=data, compute=CPU)
    parameters = editor_parameters(editor)
    assert (parameters["strength"], parameters["guidance"], parameters["steps"]) == (0.4, 4.0, 50)
    with pytest.raises(UsageError, match="tokens"):
        check_words(editor, [Prompt("edema", "words " * 1000)])


def test_images_of_another_size_than_the_generators_are_noted() -> None:
    generator: Any = SimpleNamespace(native_side=512)
    assert size_notes(generator, 512) == [] and size_notes(cast(Any, SimpleNamespace()), 64) == []
    assert size_notes(generator, 64) == [
        "the generator makes pictures of 512 pixels, and the images have 64: build-dataset --size 512 gives it what it "
        "was trained with"
    ]
