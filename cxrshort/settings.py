"""Settings in the form ``NAME=VALUE``: parsing and description."""

import inspect
import re
from typing import Any

from cxrshort.errors import UsageError


def parse_value(text: str, *, like: object, argument: str) -> Any:
    """Read a value as the type that its default has.

    Args:
        text: the value.
        like: the default.
        argument: the option and the name before the value, for messages.

    Raises:
        UsageError: it is of another type.
    """
    if isinstance(like, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise UsageError(f"{argument} is '{text}', it must be true or false")
    if isinstance(like, int | float):
        try:
            return type(like)(text)
        except ValueError as error:
            kind = "a whole number" if isinstance(like, int) else "a number"
            raise UsageError(f"{argument} is '{text}', it must be {kind}") from error
    return text


def setting_row(name: str, value: object, meaning: str) -> dict[str, Any]:
    """Return one row of a list of settings: name, type, default and meaning, written as a sentence."""
    sentence = f"{meaning[:1].upper()}{meaning[1:]}".rstrip(".") + "."
    return {"name": name, "type": type_name(value), "default": value, "meaning": sentence}


def type_name(value: object) -> str:
    """Return what a value is called on help pages."""
    names = {bool: "true or false", int: "whole number", float: "number"}
    return names.get(type(value), "text")


def meanings(kind: type) -> dict[str, str]:
    """Return what the ``Args`` of a class and its bases say, by name, in one line and without mark-up."""
    entries: list[tuple[str, str]] = []
    for base in reversed(kind.__mro__):
        text = inspect.cleandoc(vars(base).get("__doc__") or "")
        _, _, listed = text.partition("Args:\n")
        listed = re.split(r"\n(?=\S)", listed)[0]
        entries += re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", listed, flags=re.MULTILINE)
    return {name: " ".join(words.split()).replace("``", "").replace('"', "'") for name, words in entries}
