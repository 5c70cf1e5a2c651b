"""Prompts as the embeddings that a U-Net is conditioned on, each computed once.

A text encoder reads a fixed number of tokens, and diffusers cuts longer prompts with no more than a line in its log.
The finding that such a prompt ends with would then be in the manifest and not in the picture. So they are refused, with
the words that would be lost.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from cxrshort.errors import DataError, UsageError

LONGEST_BERT = 128
"""Tokens that RadEdit's text encoder reads; its files state none."""


class TextConditioning:
    """Turn prompts into embeddings.

    Args:
        tokenizer: of transformers.
        encoder: of transformers, in fp32.
        dtype: of the embeddings, the U-Net's.
        source: the text encoder as the user named it, for messages.
    """

    def __init__(self, tokenizer: Any, encoder: Any, *, dtype: torch.dtype, source: str = "") -> None:
        self._tokenizer, self._encoder, self._dtype, self._source = tokenizer, encoder, dtype, source
        self._embeddings: dict[str, Tensor] = {}
        self.longest = _longest(tokenizer, encoder)

    def check(self, prompts: Iterable[str]) -> None:
        """Refuse prompts that the text encoder does not read to their end.

        Raises:
            UsageError: one has too many tokens.
        """
        for prompt in prompts:
            count = len(self._tokenizer(prompt, truncation=False)["input_ids"])
            if count > self.longest:
                raise UsageError(
                    f"'{prompt}' has {count} tokens, and the text encoder reads {self.longest}: "
                    f"'{self.lost_words(prompt)}' would be lost",
                    "shorten the prompt",
                )

    def lost_words(self, prompt: str) -> str:
        """Return the words at the end of a prompt that the text encoder would not read; "" where it reads all."""
        encoded = self._tokenizer(prompt, truncation=False, return_offsets_mapping=True, add_special_tokens=False)
        offsets = encoded["offset_mapping"]
        room = self.longest - self._tokenizer.num_special_tokens_to_add()
        if len(offsets) <= room:
            return ""
        first = offsets[room][0]
        return prompt[prompt.rfind(" ", 0, first + 1) + 1 :].strip()

    @torch.inference_mode()
    def embed(self, prompt: str) -> Tensor:
        """Return the embedding of a prompt, (tokens, width), computed when it is first asked for.

        Raises:
            UsageError: it has too many tokens.
            DataError: the tokenizer is not the text encoder's.
        """
        if prompt not in self._embeddings:
            self.check([prompt])
            encoded = self._tokenizer(
                prompt, padding="max_length", max_length=self.longest, truncation=True, return_tensors="pt"
            )
            ids = encoded["input_ids"]
            if int(ids.max()) >= self._encoder.config.vocab_size:
                raise DataError(
                    f"the tokenizer is not that of the text encoder '{self._source}'", "fetch both from the same place"
                )
            # As diffusers does it: Stable Diffusion 1.x attends to the padding too.
            masked = getattr(self._encoder.config, "use_attention_mask", False)
            mask = encoded["attention_mask"].to(self._encoder.device) if masked else None
            embedding = self._encoder(ids.to(self._encoder.device), attention_mask=mask)[0][0]
            self._embeddings[prompt] = embedding.to(self._dtype)
        return self._embeddings[prompt]


def _longest(tokenizer: Any, encoder: Any) -> int:
    """Return how many tokens are read; some tokenizers state an absurd number."""
    positions = int(encoder.config.max_position_embeddings)
    stated = int(min(tokenizer.model_max_length, 10**9))
    if stated <= positions:
        return stated
    return positions if str(encoder.config.model_type).startswith("clip") else min(positions, LONGEST_BERT)
