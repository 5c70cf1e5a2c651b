"""Seeds of edits: of the image and the repetition, never of the prompt, so that a sham has the noise of its edit."""

import hashlib

_BITS = 52
"""A manifest holds whole numbers below 2**53, which every reader of CSV keeps exactly."""


def edit_seed(seed: int, image_id: str, repetition: int) -> int:
    """Return the seed of an edit's noise: 52 bits of a hash.

    Args:
        seed: of the whole dataset, 0 or more.
        image_id: of the source.
        repetition: number of the repetition, from 0.

    Example:
        >>> edit_seed(0, "site-e/1", 0) == edit_seed(0, "site-e/1", 0), edit_seed(0, "site-e/1", 1) < 2**52
        (True, True)
    """
    digest = hashlib.sha256(f"{seed}/{image_id}/{repetition}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _BITS)
