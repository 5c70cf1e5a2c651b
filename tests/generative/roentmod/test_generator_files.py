"""Folders of generators: what is read of them, and how each wrong one is refused."""

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from cxrshort.errors import CxrshortError, DataError, MissingInputError, UsageError
from cxrshort.files import sha256
from cxrshort.generative.roentmod.generator_files import REQUEST, find_generator, identify

from .tiny_pipeline import build, use_pickle


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("generators") / "tiny")


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "tiny"))


def refused(generator: Any, *, hub: bool = False, **replacements: str) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        find_generator(None if generator is None else str(generator), replacements, hub=hub)
    return caught.value


def test_every_file_that_is_read_is_hashed(built):
    files = find_generator(str(built), {})
    assert list(files.parts) == ["unet", "vae", "text_encoder", "tokenizer"]
    record = files.parts["unet"].record()
    weights = "diffusion_pytorch_model.safetensors"
    assert record == {
        "source": f"{built}:unet",
        "files": {name: sha256(built / "unet" / name) for name in ("config.json", weights)},
    }
    assert set(files.parts["tokenizer"].checksums()) == {"tokenizer.json", "tokenizer_config.json"}
    assert files.scheduler is not None
    assert files.scheduler["beta_schedule"] == "scaled_linear"


def test_identity_is_that_of_the_files_wherever_they_lie(built, folder):
    def identity(generator: Path, **replacements: str) -> str:
        parts = find_generator(str(generator), replacements).parts
        return identify({name: part.record() for name, part in parts.items()})

    assert identity(built) == identity(folder)
    with (folder / "vae" / "config.json").open("a") as stream:
        stream.write("\n")
    assert identity(built) != identity(folder)
    assert identity(built, vae=str(folder)) == identity(folder)


def test_folder_without_index_or_with_a_part_elsewhere_is_read(built, folder, tmp_path):
    (folder / "model_index.json").unlink()
    shutil.move(folder / "vae", tmp_path / "own")
    for text in (str(tmp_path / "own"), f"{tmp_path}:own", str(built), f"{built}:vae"):
        part = find_generator(str(folder), {"vae": text}).parts["vae"]
        assert part.source == text
        assert part.checksums() == find_generator(str(built), {}).parts["vae"].checksums()


def test_every_part_may_be_named_by_itself(built, folder):
    names = {name: str(folder) for name in ("unet", "vae", "text_encoder", "tokenizer")}
    files = find_generator(None, names)
    assert files.parts["unet"].folder == folder / "unet"
    assert files.scheduler is None
    error = refused(None, unet=str(built))
    assert isinstance(error, UsageError)
    assert error.message == "--vae is missing: without --generator every part is named by itself"


def test_weights_of_half_precision_are_read_where_there_are_no_others(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    part = find_generator(str(folder), {}).parts["unet"]
    assert part.variant == "fp16"
    assert "diffusion_pytorch_model.fp16.safetensors" in part.checksums()


def test_weights_in_pieces_are_read_and_none_may_lack(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model-00001-of-00002.safetensors"))
    index = {"weight_map": {f"t{n}": f"diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)}}
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    error = refused(folder)
    assert error.message == (
        f"'{folder / 'unet'}' lacks 1 of 2 files of its weights: diffusion_pytorch_model-00002-of-00002.safetensors"
    )
    shutil.copy(
        folder / "unet" / "diffusion_pytorch_model-00001-of-00002.safetensors",
        folder / "unet" / "diffusion_pytorch_model-00002-of-00002.safetensors",
    )
    assert len(find_generator(str(folder), {}).parts["unet"].files) == 4


def test_name_that_does_not_exist_never_goes_to_the_network(monkeypatch, tmp_path):
    def forbid(*arguments: object, **settings: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", forbid)
    monkeypatch.setattr(socket, "getaddrinfo", forbid)
    monkeypatch.chdir(tmp_path)
    error = refused("models/roentgen")
    assert isinstance(error, MissingInputError)
    assert error.message == "'models/roentgen' does not exist"
    assert error.hint == "give a folder, or --hub to fetch 'models/roentgen' from the Hugging Face hub"
    assert refused(tmp_path / "none").hint == REQUEST
    assert refused("./models/roentgen", hub=True).hint == REQUEST


def test_hub_id_without_a_network_says_the_way_round(monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    error = refused("someone/generator", hub=True)
    assert isinstance(error, MissingInputError)
    assert error.message.startswith("'someone/generator' could not be fetched (")
    assert error.hint == "fetch https://huggingface.co/someone/generator elsewhere and give its folder"


def test_generator_in_the_cache_of_the_hub_is_read_with_its_revision(built, monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    home, revision = tmp_path / "models--someone--generator", "a" * 40
    shutil.copytree(built, home / "snapshots" / revision)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(revision, encoding="utf-8")
    record = find_generator("someone/generator", {"vae": "someone/generator:vae"}, hub=True).parts["vae"].record()
    assert (record["source"], record["revision"]) == ("someone/generator:vae", revision)


def test_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "weights").mkdir()
    error = refused(tmp_path / "weights")
    assert isinstance(error, DataError)
    assert error.message == (
        f"'{tmp_path / 'weights'}' is not a diffusers pipeline: it has neither model_index.json nor the folders unet/, "
        "vae/, text_encoder/, tokenizer/"
    )
    assert "https://github.com/StanfordMIMI/RoentGen" in error.hint


def test_checkpoint_in_a_file_is_refused(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"")
    error = refused(tmp_path / "model.ckpt")
    assert error.message == (
        f"'{tmp_path / 'model.ckpt'}' is a file, and a generator is a folder as diffusers writes it"
    )
    assert "from_single_file" in error.hint


def test_pipeline_without_a_unet_is_refused(folder):
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "SanaPipeline", "transformer": ["a", "b"]}))
    assert refused(folder).message == (f"'{folder}' is a pipeline of the kind 'SanaPipeline', which has no U-Net")


def test_missing_parts_are_named_with_their_options(folder):
    for name in ("vae", "text_encoder", "tokenizer"):
        shutil.rmtree(folder / name)
    error = refused(folder)
    assert error.message == f"'{folder}' is not a whole diffusers pipeline: it has no vae/, text_encoder/, tokenizer/"
    assert error.hint.startswith(
        "name the folder of each: --vae FOLDER --text-encoder FOLDER --tokenizer FOLDER; for RadEdit these are "
        "stabilityai/sdxl-vae and, for the last two, microsoft/BiomedVLP-BioViL-T on the Hugging Face hub; RoentGen's"
    )
    assert refused(folder, vae=str(folder / "none")).message == f"'{folder / 'none'}' does not exist"
    assert refused(folder, vae=f"{folder}:none").message == f"'{folder}' has no folder 'none'"


@pytest.mark.parametrize(
    ("part", "removed", "message"),
    [
        ("unet", "config.json", "'{}' has no config.json"),
        ("vae", "diffusion_pytorch_model.safetensors", "'{}' has no weights: no diffusion_pytorch_model.safetensors"),
        ("text_encoder", "model.safetensors", "'{}' has no weights: no model.safetensors"),
        (
            "tokenizer",
            "tokenizer.json",
            "'{}' has no tokenizer: neither tokenizer.json, nor vocab.json and merges.txt, nor vocab.txt",
        ),
    ],
)
def test_part_that_lacks_a_file_is_refused(folder, part, removed, message):
    (folder / part / removed).unlink()
    assert refused(folder).message == message.format(folder / part)


def test_unreadable_configuration_is_refused(folder):
    (folder / "unet" / "config.json").write_text("{")
    assert refused(folder).message == f"'{folder / 'unet' / 'config.json'}' cannot be read as JSON"
    (folder / "unet" / "config.json").write_text("[]")
    assert refused(folder).message == f"'{folder / 'unet' / 'config.json'}' does not hold a JSON object"


@pytest.mark.parametrize(("part", "kind"), [("unet", "UNet2DConditionModel"), ("text_encoder", "CLIPTextModel")])
def test_pickled_weights_are_refused_with_the_command_that_converts_them(folder, part, kind):
    use_pickle(folder, part)
    error = refused(folder)
    assert isinstance(error, DataError)
    assert "alone, a pickled file, which could run any program" in error.message
    code = error.hint.partition('python -c "')[2].removesuffix('"')
    assert f"import {kind} as K" in code
    exec(code, {})
    assert find_generator(str(folder), {}).parts[part].variant is None
