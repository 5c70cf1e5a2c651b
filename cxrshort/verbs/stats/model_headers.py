"""Headers of model files, read without torch: eight bytes of their length, then JSON. No network is built."""

import json
import math
import struct
from pathlib import Path

from cxrshort.errors import DataError, MissingInputError

_METADATA = "__metadata__"
"""Entry of a header that is no tensor."""
_MOST_BYTES = 100_000_000
"""Longest header that safetensors reads."""


def read_tensor_sizes(path: Path) -> dict[str, int]:
    """Return how many numbers each tensor of a model file holds, by its name: weights and buffers.

    Raises:
        DataError: it is not a model file.
        MissingInputError: it cannot be read.
    """
    refusal = DataError(f"'{path}' is not a model file", "train the model again")
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _MOST_BYTES:
                raise refusal
            content = stream.read(length)
        if len(content) < length:
            raise refusal
        header = json.loads(content)
        return {name: math.prod(map(int, entry["shape"])) for name, entry in header.items() if name != _METADATA}
    except OSError as error:
        raise MissingInputError(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (struct.error, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise refusal from error
