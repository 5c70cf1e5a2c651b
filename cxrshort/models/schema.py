"""Schema of the description in a model file: fields, types, ranges, and rules across fields.

A model file may come from anywhere, so its description is checked once, when it is read, and trusted from then on. A
new field is one line of ``DESCRIPTION``. A field that no table names is refused: it is damage, or of a later version
whose meaning this one would miss. Recipes and pixel settings are open: what this version does not name stays.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cxrshort.columns import MASK_BITS
from cxrshort.errors import DataError, UsageError
from cxrshort.masks.structures import structures
from cxrshort.models import ARCHITECTURES
from cxrshort.models.heads import HEADS, LINEAR
from cxrshort.models.sources.architectures import FAMILIES, find_architecture

Background = Literal["noise", "black"]
Combination = Literal["mean", "quadratic"]

BACKGROUNDS = get_args(Background)
COMBINATIONS = get_args(Combination)
CYCLEGAN = "cyclegan"
"""Kind and architecture of a pair of generators, which is no network of labels or masks."""
KINDS = ("classifier", "ensemble", "segmenter", "pipeline", CYCLEGAN)
TASKS = ("multilabel", "multiclass", "regression", "masks")
FORMATS = (1, 2)
"""Versions that are read, the last of which is written. Format 1 has no salt for the hashes of persons."""

_HINT = "the file was changed after it was written: train the model again, or download it again"
_SHOWN = 60
"""Characters of a wrong value that a message shows."""
_WIDEST = 4096
"""Channels, or blocks, of a generator; far beyond any that a machine holds."""
_LARGEST_SIDE = 16384
"""Pixels; four times the longest side of any detector."""


@dataclass(frozen=True)
class Field:
    """State the rule of one field.

    Args:
        rule: the rule in words, as the end of "it must be ...".
        holds: whether a value keeps it.
        required: whether every file has the field.
    """

    rule: str
    holds: Callable[[Any], bool]
    required: bool = True


@dataclass(frozen=True)
class Agreement:
    """State a rule that several fields must satisfy together.

    Args:
        field: the name of the field that a message shows, below ``spec.`` or ``recipe.`` where it is there.
        rule: the rule in words, as the end of "it must be ...".
        holds: whether a description, whose fields are right by themselves, keeps it.
    """

    field: str
    rule: str
    holds: Callable[[Mapping[str, Any]], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any, *, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return _is_whole(value, low=-(2**63), high=2**64)
    return isinstance(value, float) and math.isfinite(value)


def _is_setting(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_setting(element) for element in value)
    return value is None or isinstance(value, str | bool) or _is_number(value)


def _are_labels(value: Any) -> bool:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        return False
    return len(set(value)) == len(value)


def _is_architecture(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    family, colon, name = value.partition(":")
    return bool(name) and family in FAMILIES if colon else value in ARCHITECTURES or value == CYCLEGAN


def _are_hashes(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(base64.b64decode(value, validate=True)) % 8 == 0
    except (binascii.Error, ValueError):
        return False


def _are_people(value: Any) -> bool:
    if isinstance(value, dict):
        return all(re.fullmatch("([0-9a-f]{2})*", salt) and _are_hashes(hashes) for salt, hashes in value.items())
    return _are_hashes(value)


def _are_structures(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(structures(value))
    except UsageError:
        return False


def _among(names: tuple[str, ...]) -> Field:
    return Field(f"one of: {', '.join(name or 'nothing' for name in names)}", lambda value: value in names)


DESCRIPTION: Mapping[str, Field] = {
    "format": Field("1 or 2", lambda value: _is_whole(value, low=min(FORMATS), high=max(FORMATS))),
    "kind": _among(KINDS),
    "architecture": Field("the name of an architecture", _is_architecture),
    "labels": Field("a list of different names, one or more", _are_labels),
    "spec": Field("an object", lambda value: isinstance(value, dict)),
    "dataset": Field("text", _is_text),
    "dataset_id": Field("text", _is_text, required=False),
    "training": Field("text", _is_text, required=False),
    "replicate": Field("a whole number of 0 or more", lambda value: _is_whole(value, low=0, high=2**31)),
    "seed": Field("a whole number of at most 64 bits", lambda value: _is_whole(value, low=-(2**63), high=2**64)),
    "recipe": Field("an object", lambda value: isinstance(value, dict)),
    "selection": Field("an object", lambda value: isinstance(value, dict)),
    "pixels": Field("an object", lambda value: isinstance(value, dict)),
    "training_people": Field("hashes of 64 bits in base64, by their salt", _are_people),
    "members": Field("a whole number of 1 or more", lambda value: _is_whole(value, low=1, high=2**31)),
    "combine": _among(COMBINATIONS),
    "parts": Field(
        "a list of descriptions",
        lambda value: isinstance(value, list) and all(isinstance(element, dict) for element in value),
        required=False,
    ),
    "background": Field(_among(BACKGROUNDS).rule, _among(("", *BACKGROUNDS)).holds, required=False),
    "threshold": Field("a number between 0 and 1", lambda value: _is_number(value) and 0 < value < 1, required=False),
    "head": Field(_among(HEADS).rule, _among(HEADS).holds, required=False),
}

SPEC: Mapping[str, Field] = {
    "size": Field(
        f"a whole number from 1 to {_LARGEST_SIDE}", lambda value: _is_whole(value, low=1, high=_LARGEST_SIDE)
    ),
    "channels": Field("1 or 3", lambda value: _is_whole(value, low=1, high=3) and value != 2),
    "mean": Field(
        "a list of numbers", lambda value: isinstance(value, list) and all(_is_number(element) for element in value)
    ),
    "std": Field(
        "a list of numbers above 0",
        lambda value: isinstance(value, list) and all(_is_number(element) and element > 0 for element in value),
    ),
    "crop": Field("a number above 0 and at most 1", lambda value: _is_number(value) and 0 < value <= 1),
}

RECIPE: Mapping[str, Field] = {
    "task": Field(_among(TASKS).rule, _among(TASKS).holds, required=False),
    "method": Field("text", _is_text, required=False),
    "mask_bit": Field(f"names among: {', '.join(MASK_BITS)}", _are_structures, required=False),
}

SETTING = Field("text, a number, true, false, null, or a list of them", _is_setting)
"""What every other entry of a recipe must be."""


def _of_masks(record: Mapping[str, Any]) -> bool:
    """Return whether a model returns masks, by its architecture; those of other packages return labels."""
    name = record["architecture"]
    return ":" not in name and name != CYCLEGAN and find_architecture(name).output == "masks"


def _size_fits(record: Mapping[str, Any]) -> bool:
    name, size = record["architecture"], record["spec"]["size"]
    if ":" in name or record["kind"] in ("pipeline", CYCLEGAN):
        return True
    architecture = find_architecture(name)
    # A network whose smallest side is the side that it is built for takes no other.
    fixed = architecture.minimum_size == architecture.input_size
    return bool(size == architecture.minimum_size if fixed else size >= architecture.minimum_size)


def _channels_fit(record: Mapping[str, Any]) -> bool:
    name, channels = record["architecture"], record["spec"]["channels"]
    return ":" in name or name == CYCLEGAN or bool(channels == find_architecture(name).channels)


def _per_channel(name: str) -> Agreement:
    return Agreement(
        f"spec.{name}",
        "as long as 'spec.channels' says",
        lambda record: len(record["spec"][name]) == record["spec"]["channels"],
    )


def _of_classifier(name: str) -> Agreement:
    return Agreement(
        name,
        "that of the classifier in 'parts'",
        lambda record: record["kind"] != "pipeline" or record[name] == record["parts"][1].get(name),
    )


def _of_cyclegan(name: str) -> Agreement:
    return Agreement(
        f"recipe.{name}",
        f"a whole number from 1 to {_WIDEST} where 'kind' is cyclegan",
        lambda record: record["kind"] != CYCLEGAN or _is_whole(record["recipe"].get(name), low=1, high=_WIDEST),
    )


AGREEMENTS = (
    Agreement(
        "architecture",
        "cyclegan where 'kind' is cyclegan, and nowhere else",
        lambda record: (record["architecture"] == CYCLEGAN) == (record["kind"] == CYCLEGAN),
    ),
    Agreement(
        "labels",
        "the expressions of two sides where 'kind' is cyclegan",
        lambda record: record["kind"] != CYCLEGAN or len(record["labels"]) == len(("from", "to")),
    ),
    *(_of_cyclegan(name) for name in ("width", "blocks", "discriminator_width")),
    Agreement(
        "parts",
        "a segmenter and a classifier where 'kind' is pipeline, and nothing elsewhere",
        lambda record: (
            [part.get("kind") for part in record.get("parts", [])]
            == (["segmenter", "classifier"] if record["kind"] == "pipeline" else [])
        ),
    ),
    Agreement(
        "members",
        "2 or more where 'kind' is ensemble, and 1 elsewhere",
        lambda record: (record["members"] > 1) == (record["kind"] == "ensemble"),
    ),
    Agreement(
        "kind",
        "segmenter where 'architecture' draws masks, and nowhere else",
        lambda record: (record["kind"] == "segmenter") == _of_masks(record),
    ),
    Agreement(
        "kind",
        "segmenter where 'recipe.task' is masks, and nowhere else",
        lambda record: (
            "task" not in record["recipe"] or (record["kind"] == "segmenter") == (record["recipe"]["task"] == "masks")
        ),
    ),
    Agreement(
        "labels",
        "two or more where 'recipe.task' is multiclass",
        lambda record: record["recipe"].get("task") != "multiclass" or len(record["labels"]) > 1,
    ),
    Agreement(
        "background",
        "noise or black where 'kind' is pipeline",
        lambda record: bool(record.get("background")) or record["kind"] != "pipeline",
    ),
    Agreement(
        "background",
        "nothing where 'kind' is segmenter",
        lambda record: not record.get("background") or record["kind"] != "segmenter",
    ),
    Agreement(
        "head",
        "linear where 'kind' is not classifier",
        lambda record: record.get("head", LINEAR) == LINEAR or record["kind"] == "classifier",
    ),
    Agreement(
        "recipe.mask_bit",
        "a structure where there is a 'background'",
        lambda record: record["kind"] == "pipeline" or not record.get("background") or "mask_bit" in record["recipe"],
    ),
    Agreement("spec.size", "a side that 'architecture' takes", _size_fits),
    Agreement("spec.channels", "the number that 'architecture' takes", _channels_fit),
    _per_channel("mean"),
    _per_channel("std"),
    _of_classifier("architecture"),
    _of_classifier("labels"),
)


def check_description(record: Any, *, source: str, within: str = "") -> None:
    """Refuse a description that breaks a rule of the tables.

    Args:
        record: what the JSON text of a description holds.
        source: the file, for messages.
        within: where the description stands in another one, such as ``"parts[0]."``.

    Raises:
        DataError: with the field, its value and the rule.

    Example:
        >>> check_description({"format": 2, "kind": "clasifier"}, source="m.safetensors")
        Traceback (most recent call last):
            ...
        cxrshort.errors.DataError: 'm.safetensors': field 'kind' is 'clasifier', it must be one of: classifier, \
ensemble, segmenter, pipeline, cyclegan
    """
    _check_fields(record, DESCRIPTION, source=source, within=within)
    _check_fields(record["spec"], SPEC, source=source, within=f"{within}spec.")
    _check_fields(record["recipe"], RECIPE, source=source, within=f"{within}recipe.", open_rule=SETTING)
    for agreement in AGREEMENTS:
        if not agreement.holds(record):
            raise _wrong(source, within + agreement.field, _value(record, agreement.field), agreement.rule)
    # Agreements come first: a part is no pipeline, so that descriptions stand in each other once at most.
    for number, part in enumerate(record.get("parts", [])):
        check_description(part, source=source, within=f"{within}parts[{number}].")


def _check_fields(
    record: Any, table: Mapping[str, Field], *, source: str, within: str, open_rule: Field | None = None
) -> None:
    if not isinstance(record, dict):
        raise _wrong(source, within.rstrip(".") or "description", record, "an object")
    for name, field in table.items():
        if name in record and not field.holds(record[name]):
            raise _wrong(source, within + name, record[name], field.rule)
        if name not in record and field.required:
            raise DataError(f"'{source}': field '{within}{name}' is missing, every model file has it", _HINT)
    for name in record:
        if name not in table and open_rule is None:
            raise DataError(
                f"'{source}': field '{within}{_shorten(name)}' is unknown to this version",
                "use the version that wrote it",
            )
        if name not in table and open_rule is not None and not open_rule.holds(record[name]):
            raise _wrong(source, within + _shorten(name), record[name], open_rule.rule)


def _value(record: Mapping[str, Any], field: str) -> Any:
    value: Any = record
    for name in field.split("."):
        value = value.get(name, "")
    return value


def _wrong(source: str, field: str, value: Any, rule: str) -> DataError:
    text = value if isinstance(value, str) else json.dumps(value)
    return DataError(f"'{source}': field '{field}' is '{_shorten(text)}', it must be {rule}", _HINT)


def _shorten(text: str) -> str:
    text = text.encode("unicode_escape").decode("ascii")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
