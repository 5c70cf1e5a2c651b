"""A CLIP model of two layers with random weights, saved as transformers saves one."""

from pathlib import Path
from typing import Any

import pytest
import torch

SIZE, PATCH, LONGEST = 32, 8, 40
QUERY = "labels=beagle,pug&prompt=a photo of a dog of the {class} breed"


def save_tiny_clip(folder: Path, *, biases: bool = True, activation: str = "quick_gelu") -> Any:
    """Write a folder with model, tokenizer and image processor, and return the model in eval mode; skip without them.

    Args:
        folder: where to.
        biases: whether layers have any; positions and the token of the class count as such.
        activation: of the layers.
    """
    transformers = pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
    vocabulary = save_tokenizer(folder)
    end = vocabulary["<|endoftext|>"]
    layers = {"intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": activation}
    text = {"vocab_size": len(vocabulary), "max_position_embeddings": LONGEST, "eos_token_id": end}
    config = transformers.CLIPConfig(
        text_config={**layers, **text, "hidden_size": 8, "bos_token_id": end - 1, "pad_token_id": end},
        vision_config={**layers, "hidden_size": 12, "image_size": SIZE, "patch_size": PATCH},
        projection_dim=6,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.CLIPModel(config).eval()
        for name, value in model.named_parameters():
            if value.dim() and name.startswith(("vision_model", "visual_projection")):
                is_bias = name.endswith("bias") or "class_embedding" in name or "position_embedding" in name
                value.data.copy_(torch.randn(value.shape) * (0.3 * biases if is_bias else 0.5))
    model.save_pretrained(folder)
    side = {"height": SIZE, "width": SIZE}
    transformers.CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size=side).save_pretrained(folder)
    return model


def save_tokenizer(folder: Path) -> dict[str, int]:
    """Write a tokenizer of single bytes and one longer word, and return its vocabulary."""
    import transformers
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "do", "dog</w>", "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    merges = [("d", "o"), ("do", "g</w>")]
    try:
        tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=merges)
    except TypeError:  # before version 5 it was made of files
        import json

        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
        (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
        tokenizer = transformers.CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.save_pretrained(folder)
    return vocabulary
