"""Networks of a generator: loaded as diffusers loads them, and refused where they do not fit."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cxrshort.compute import Compute, choose_compute
from cxrshort.errors import DataError
from cxrshort.generative.roentmod.components import Components, load_components
from cxrshort.generative.roentmod.generator_files import find_generator

from .tiny_pipeline import build

CPU = choose_compute("cpu", precision="fp32")


def load(folder: Path, compute: Compute = CPU, **replacements: str) -> Components:
    return load_components(find_generator(str(folder), replacements), compute)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("generators") / "tiny")


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "tiny"))


def refused(folder: Path, **replacements: str) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, **replacements)
    return caught.value.message


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}), encoding="utf-8")


def test_networks_are_ready_and_quiet(built, capfd):
    components = load(built)
    assert capfd.readouterr() == ("", "")
    for network in (components.unet, components.vae, components.text_encoder):
        assert not network.training
        assert network.dtype == torch.float32
        assert not any(value.requires_grad for value in network.parameters())
    assert components.downscaling == 8
    weight = components.unet.down_blocks[1].resnets[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_bf16_is_of_unet_and_vae_and_not_of_a_vae_that_asks_for_fp32(built, folder):
    half = Compute("cpu", "bf16", 1)
    components = load(built, half)
    assert [part.dtype for part in (components.unet, components.vae, components.text_encoder)] == [
        torch.bfloat16,
        torch.bfloat16,
        torch.float32,
    ]
    change(folder / "vae" / "config.json", force_upcast=True)
    assert load(folder, half).vae.dtype == torch.float32


def test_vae_of_another_folder_replaces_that_of_the_generator(built, tmp_path):
    other = build(tmp_path / "other", vae={"scaling_factor": 0.13025}, seed=1)
    components = load(built, vae=str(other))
    assert components.vae.config.scaling_factor == 0.13025
    mine, theirs = load(built).vae, load(other).vae
    name = "decoder.conv_in.weight"
    assert torch.equal(components.vae.state_dict()[name], theirs.state_dict()[name])
    assert not torch.equal(components.vae.state_dict()[name], mine.state_dict()[name])


def test_layout_of_radedit_is_read_with_its_parts_named(built, tmp_path):
    radedit = build(tmp_path / "radedit", without=("vae", "text_encoder", "tokenizer", "scheduler", "model_index.json"))
    texts = build(tmp_path / "biovil", text="bert", without=("unet", "vae", "scheduler", "model_index.json"))
    change(texts / "text_encoder" / "config.json", model_type="cxr-bert", architectures=["CXRBertModel"])
    parts = find_generator(str(radedit), {"vae": str(built), "text_encoder": str(texts), "tokenizer": str(texts)})
    assert parts.scheduler is None
    components = load_components(parts, CPU)
    assert type(components.text_encoder).__name__ == "BertModel"
    assert components.tokenizer.model_max_length == 128


def test_tokenizer_with_a_program_of_its_own_is_read_as_the_one_that_it_extends(built, tmp_path):
    texts = build(tmp_path / "biovil", text="bert", without=("unet", "vae", "scheduler", "model_index.json"))
    names = {"text_encoder": str(texts), "tokenizer": str(texts)}
    expected = load(built, **names).tokenizer
    words = sorted(expected.get_vocab(), key=expected.get_vocab().get)
    (texts / "tokenizer" / "tokenizer.json").unlink()
    (texts / "tokenizer" / "vocab.txt").write_text("\n".join(words))
    change(
        texts / "tokenizer" / "tokenizer_config.json",
        tokenizer_class="CXRBertTokenizer",
        auto_map={"AutoTokenizer": ["configuration.CXRBertTokenizer", None]},
    )
    actual = load(built, **names).tokenizer
    assert actual("pleural effusion")["input_ids"] == expected("pleural effusion")["input_ids"]
    assert actual.model_max_length == 128


def test_weights_with_the_names_of_2022_are_read(built, folder):
    from safetensors.torch import load_file, save_file

    weights = folder / "text_encoder" / "model.safetensors"
    save_file({f"text_model.{name}": value for name, value in load_file(weights).items()}, weights, {"format": "pt"})
    assert {name.split(".")[0] for name in load_file(weights)} == {"text_model"}
    ids = torch.arange(10)[None]
    with torch.inference_mode():
        old, new = (load(place).text_encoder(ids).last_hidden_state for place in (folder, built))
    assert torch.equal(old, new)


@pytest.mark.parametrize(
    ("unet", "message"),
    [
        ({"in_channels": 8}, "takes 8 channels (of the InstructPix2Pix kind), and the VAE makes 4"),
        ({"in_channels": 9}, "takes 9 channels (for inpainting), and the VAE makes 4"),
        ({"out_channels": 8}, "returns 8 channels, not 4: its variance is learned too"),
        (
            {"class_embed_type": "timestep"},
            "wants more than a prompt (class_embed_type 'timestep')",
        ),
    ],
)
def test_unet_of_another_task_is_refused(tmp_path, unet, message):
    folder = build(tmp_path / "other", unet=unet)
    assert refused(folder) == f"the U-Net '{folder}:unet' {message}"


def test_text_encoder_that_does_not_fit_is_refused(built, tmp_path):
    wide = build(tmp_path / "wide", unet={"cross_attention_dim": 64})
    assert refused(wide) == (
        f"the text encoder '{wide}:text_encoder' does not fit the U-Net: its embeddings have 32 numbers, and the U-Net "
        "reads 64"
    )


def test_parts_of_other_kinds_are_refused(folder):
    change(folder / "text_encoder" / "config.json", model_type="t5")
    assert refused(folder) == f"'{folder}:text_encoder' is a text encoder of the type 't5', which is not supported"
    change(folder / "vae" / "config.json", shift_factor=0.1)
    change(folder / "text_encoder" / "config.json", model_type="clip_text_model")
    assert refused(folder) == (f"the VAE '{folder}:vae' shifts its latents, which no Stable Diffusion 1.x or 2.x does")
    change(folder / "unet" / "config.json", _class_name="UNet2DModel")
    assert (
        refused(folder) == f"'{folder}:unet' is of the class 'UNet2DModel', and an editor needs 'UNet2DConditionModel'"
    )


def test_damaged_and_incomplete_weights_are_refused(folder):
    from safetensors.torch import load_file, save_file

    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors["decoder.conv_in.bias"]
    save_file(tensors, weights)
    assert refused(folder) == f"'{folder}:vae' lacks 1 tensors of its vae, such as 'decoder.conv_in.bias'"
    weights.write_bytes(b"no weights")
    assert refused(folder).startswith(f"'{folder / 'vae'}' cannot be read as a vae (")


@pytest.mark.parametrize(
    ("library", "line", "message"),
    [
        ("torchvision", "raise RuntimeError('operator torchvision::nms does not exist')", "does not match torch '"),
        (
            "transformers",
            "raise ImportError('absent')",
            "the diffusion editor needs transformers, which is not installed",
        ),
    ],
)
def test_library_that_cannot_be_imported_is_named(tmp_path, library, line, message):
    (tmp_path / library).mkdir()
    (tmp_path / library / "__init__.py").write_text(line)
    code = (
        "from cxrshort.generative.roentmod import components\n"
        "from cxrshort.errors import UsageError\n"
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "try:\n    components._check_libraries()\n"
        "except UsageError as error:\n    print(error.message)\n"
    )
    root = str(Path(__file__).resolve().parents[3])
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert message in shown.stdout
    assert library == "transformers" or "(operator torchvision::nms does not exist)" in shown.stdout
