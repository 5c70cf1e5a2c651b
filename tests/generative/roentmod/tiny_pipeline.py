"""A text-to-image pipeline of random weights, in the folders that diffusers writes: 5 MB, an edit of 64 px in 0.05 s.

``python tests/generative/roentmod/tiny_pipeline.py OUT`` writes one, which ``cxrshort roentmod edit --generator OUT``
takes. Its pictures show nothing; that prompts and seeds change them, and how often the U-Net is called, is real.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

LONGEST = 77
"""Tokens that the text encoder reads, as CLIP's."""
WIDTH = 32
"""Of the text embeddings."""
NOISE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
"""Stable Diffusion's."""


def build(
    folder: Path,
    *,
    text: str = "clip",
    encoder: dict[str, int] | None = None,
    without: tuple[str, ...] = (),
    unet: dict[str, Any] | None = None,
    vae: dict[str, Any] | None = None,
    scheduler: dict[str, Any] | None = None,
    seed: int = 0,
) -> Path:
    """Write a pipeline and return its folder.

    Args:
        folder: where to.
        text: the text encoder, "clip" or "bert" (as RadEdit's).
        encoder: sizes of a "clip" off their default: width, layers, heads.
        without: what is left out: names of folders, or ``model_index.json``.
        unet: settings of the U-Net off their default, such as ``{"in_channels": 8}``.
        vae: settings of the VAE off their default.
        scheduler: settings of the scheduler off their default.
        seed: of the weights.
    """
    import diffusers

    folder = Path(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer, text_encoder = clip(**(encoder or {})) if text == "clip" else bert()
        parts = {
            "unet": diffusers.UNet2DConditionModel(**{**_unet(), **(unet or {})}),
            "vae": diffusers.AutoencoderKL(**{**_vae(), **(vae or {})}),
            "text_encoder": text_encoder,
            "tokenizer": tokenizer,
            "scheduler": diffusers.DDIMScheduler(
                **{**NOISE, "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, **(scheduler or {})}
            ),
        }
    for name, part in parts.items():
        if name not in without:
            part.save_pretrained(folder / name)
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": diffusers.__version__}
    index |= {name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()}
    if "model_index.json" not in without:
        text_of_index = json.dumps(
            {**index, "safety_checker": [None, None], "feature_extractor": [None, None]}, indent=1
        )
        (folder / "model_index.json").write_text(text_of_index, encoding="utf-8")
    return folder


def _unet() -> dict[str, Any]:
    return {
        "sample_size": 8,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 4,
        "norm_num_groups": 8,
    }


def _vae() -> dict[str, Any]:
    return {
        "block_out_channels": (16, 16, 32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "norm_num_groups": 8,
        "sample_size": 64,
        "force_upcast": False,
    }


def clip(*, width: int = WIDTH, layers: int = 2, heads: int = 4) -> tuple[Any, Any]:
    """Return a tokenizer of single bytes and a text encoder."""
    import transformers
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=LONGEST)
    end = vocabulary["<|endoftext|>"]
    config = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=LONGEST,
        bos_token_id=end - 1,
        eos_token_id=end,
        pad_token_id=end,
    )
    return tokenizer, transformers.CLIPTextModel(config).eval()


def bert() -> tuple[Any, Any]:
    """Return a tokenizer of single letters, which states 128 tokens, and a BERT of two layers and 256 positions."""
    import transformers

    letters = [chr(number) for number in range(33, 127)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = transformers.BertTokenizer(
        vocab={word: number for number, word in enumerate(words)}, model_max_length=128
    )
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
    )
    return tokenizer, transformers.BertModel(config).eval()


def use_pickle(folder: Path, part: str) -> None:
    """Turn the weights of a part into the pickled file that was usual in 2022."""
    from safetensors.torch import load_file

    (weights,) = (folder / part).glob("*.safetensors")
    name = "pytorch_model.bin" if part == "text_encoder" else f"{weights.stem}.bin"
    torch.save(load_file(weights), folder / part / name)
    weights.unlink()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tiny_pipeline.py OUT")
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
