"""JSON files: written atomically, and read with refusals that name the file and the field."""

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cxrshort.errors import DataError, MissingInputError
from cxrshort.files import atomic, require_regular

_KINDS: Mapping[type, str] = {str: "text", dict: "an object", list: "a list"}
_SHOWN = 60
"""Characters of a wrong value that a message shows."""


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON, atomically; numbers that are not finite become null, since JSON has none."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(finite_values(value), indent=2) + "\n", encoding="utf-8")


def finite_values(value: object) -> object:
    """Return ``value`` with None in place of numbers that are not finite, within mappings and lists too."""
    if isinstance(value, Mapping):
        return {key: finite_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_values(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_crc32(value: object) -> int:
    """Return a checksum of a value as its JSON is read, so that one that was changed in a file is noticed.

    Example:
        >>> json_crc32({1: 0.5}) == json_crc32({"1": 0.5})
        True
    """
    as_read = json.loads(json.dumps(finite_values(value)))  # keys are text
    return zlib.crc32(json.dumps(as_read, sort_keys=True).encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DataError: the file is not a JSON object.
        MissingInputError: it cannot be read.
    """
    require_regular(path, hint="make the run again with --force")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{path}' is not readable as JSON", "make the run again with --force") from error
    if not isinstance(value, dict):
        raise DataError(f"'{path}' is not a JSON object", "make the run again with --force")
    return value


def read_record(path: Path, fields: Mapping[str, type], *, hint: str) -> dict[str, Any]:
    """Read a JSON object whose fields, where it has them, must be of these types.

    Args:
        path: the file.
        fields: the type of each field that is used: ``str``, ``dict`` or ``list``.
        hint: how the file is made again.

    Raises:
        DataError: the file is not a JSON object, or a field is of another type; the message names its value.
        MissingInputError: it cannot be read.
    """
    record = read_json(path)
    for name, kind in fields.items():
        if not isinstance(record.get(name, kind()), kind):
            text = json.dumps(record[name])
            shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
            raise DataError(f"'{path}': field '{name}' is '{shown}', it must be {_KINDS[kind]}", hint)
    return record


def json_values(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``arguments`` with paths as text and tuples as lists, so that they equal their JSON."""
    return dict(json.loads(json.dumps(dict(arguments), default=str)))
