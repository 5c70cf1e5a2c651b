"""Embeddings of prompts, and prompts that are too long."""

from pathlib import Path

import pytest
import torch

from cxrshort.compute import choose_compute
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.roentmod.components import load_components
from cxrshort.generative.roentmod.generator_files import find_generator
from cxrshort.generative.roentmod.text_conditioning import TextConditioning

from .tiny_pipeline import build

CPU = choose_compute("cpu", precision="fp32")
LONG = "left upper lobe mass and right pleural effusion and edema with cardiomegaly and a hernia"


def conditioning(folder: Path, *, longest: int | None = None, text: str = "clip") -> TextConditioning:
    components = load_components(find_generator(str(build(folder, text=text)), {}), CPU)
    if longest is not None:
        components.tokenizer.model_max_length = longest
    return TextConditioning(components.tokenizer, components.text_encoder, dtype=torch.float32, source="tiny")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> TextConditioning:
    return conditioning(tmp_path_factory.mktemp("clip"))


def test_embedding_is_that_of_diffusers_and_is_computed_once(clip):
    calls = []
    encoder = clip._encoder
    handle = encoder.register_forward_pre_hook(lambda module, inputs: calls.append(inputs[0]))
    try:
        embedding = clip.embed("pleural effusion")
        assert clip.embed("pleural effusion") is embedding
    finally:
        handle.remove()
    assert len(calls) == 1
    assert calls[0].shape == (1, 77)
    assert embedding.shape == (77, 32)
    with torch.inference_mode():
        assert torch.equal(embedding, encoder(calls[0]).last_hidden_state[0])
    assert not torch.equal(embedding, clip.embed("edema"))


def test_prompt_over_the_limit_is_refused_with_the_words_that_would_be_lost(clip):
    # A token for each of 73 letters, its end and its beginning; blanks have none.
    assert clip.longest == 77
    assert clip.lost_words("edema") == ""
    letters = len(LONG.replace(" ", ""))
    lost = clip.lost_words(f"{LONG} x y z of the lung")
    assert letters == 74
    assert lost == "y z of the lung"
    with pytest.raises(UsageError) as caught:
        clip.check(["edema", f"{LONG} x y z of the lung"])
    assert caught.value.message == (
        f"'{LONG} x y z of the lung' has 88 tokens, and the text encoder reads 77: 'y z of the lung' would be lost"
    )
    with pytest.raises(UsageError, match="would be lost"):
        clip.embed(f"{LONG} x y z of the lung")


def test_word_that_is_cut_in_its_middle_is_lost_as_a_whole(clip):
    assert clip.lost_words(f"{LONG} cardiomegaly") == "cardiomegaly"


def test_absurd_limit_of_a_tokenizer_is_that_of_the_text_encoder(tmp_path):
    assert conditioning(tmp_path, longest=10**30).longest == 77


@pytest.mark.parametrize(("stated", "longest"), [(128, 128), (10**30, 128), (100, 100)])
def test_text_encoder_of_radedit_reads_128_tokens(tmp_path, stated, longest):
    bert = conditioning(tmp_path, longest=stated, text="bert")
    assert bert.longest == longest
    assert bert.embed("pleural effusion").shape == (longest, 32)
    assert bert.lost_words("ab " * longest).startswith("ab")


def test_tokenizer_of_another_text_encoder_is_refused(tmp_path, clip):
    other = conditioning(tmp_path, text="bert")
    with pytest.raises(DataError) as caught:
        TextConditioning(clip._tokenizer, other._encoder, dtype=torch.float32, source="tiny").embed("edema")
    assert caught.value.message == "the tokenizer is not that of the text encoder 'tiny'"
