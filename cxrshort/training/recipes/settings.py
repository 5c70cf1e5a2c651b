"""The one namespace of ``train --set NAME=VALUE``: the settings of a recipe, and those of the method.

No name means two things: what a method calls as a recipe does is the method's here, and the recipe's has an option.
What has an option of its own is taken by ``--set`` too, but not both at once.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort import registry, settings
from cxrshort.errors import UsageError
from cxrshort.training import METHODS
from cxrshort.training.recipes import RARE, Recipe, load_recipe

ALIASES = {"lr": "learning_rate", "wd": "weight_decay"}
_OPTIONS_ONLY = ("name", "method", "settings", "task", "masks")
"""Fields that ``--set`` does not take: they decide what other settings mean."""
_METHODS = ("background",)
"""Names that are a method's setting where ``--set`` says them (isnet's weight), and an option for the recipe's."""

_NOT_DISTILLED = ("compile", "combine")
"""Rare settings that have no use in ``tea-distill``."""
_DISTILLATION_OPTIONS = ("background", "init", "freeze_last", "output_bias", "co_train")
"""Settings of distillations that are options of ``tea-distill``."""


def recipe_fields() -> dict[str, Any]:
    """Return the settings of a recipe that ``--set`` takes, with the values of Python's defaults.

    Example:
        >>> recipe_fields()["momentum"]
        0.9
    """
    return {
        field.name: field.default
        for field in dataclasses.fields(Recipe)
        if field.name not in (*_OPTIONS_ONLY, *_METHODS)
    }


def split_settings(texts: Sequence[str]) -> tuple[dict[str, Any], str | None]:
    """Divide the settings of ``--set`` into those of the recipe and those of the method.

    Args:
        texts: ``NAME=VALUE``; settings of the method may be joined by commas.

    Returns:
        The recipe's settings by name, as the types that they have; the method's as text, or None without any. A name
        that is no recipe's is taken for the method's, which refuses what it does not have.

    Raises:
        UsageError: not of this form, a name given twice, or a value of another type.

    Example:
        >>> split_settings(["momentum=0.99", "milestones=10,40", "weight=1"])
        ({'momentum': 0.99, 'milestones': '10,40'}, 'weight=1')
    """
    fields, recipe_values, method_settings = recipe_fields(), dict[str, Any](), list[str]()
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (name and sign):
            raise UsageError(f"--set '{text}' is not of the form NAME=VALUE", "--set help lists the settings")
        field = ALIASES.get(name, name).replace("-", "_")
        if field in _OPTIONS_ONLY:
            option = {"settings": "set", "task": "multiclass", "name": "name"}.get(field, field)
            raise UsageError(f"--set does not take '{name}'", f"--{option} is an option of its own")
        if field not in fields:
            method_settings.append(f"{name.replace('-', '_')}={value}")
        elif field in recipe_values:
            raise UsageError(f"--set names '{name}' twice", "give one value")
        else:
            recipe_values[field] = settings.parse_value(value, like=fields[field], argument=f"--set {name}")
    return recipe_values, ",".join(method_settings) if method_settings else None


def split_text(text: str) -> dict[str, str]:
    """Return the settings of a text by name.

    Example:
        >>> split_text("loss=l1,epsilon=1e-3:1e-2")
        {'loss': 'l1', 'epsilon': '1e-3:1e-2'}
    """
    parts = (part.partition("=") for part in text.split(",") if part.strip())
    return {key.strip(): value.strip() for key, _, value in parts}


def merge_settings(options: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of options and of ``--set`` together.

    Raises:
        UsageError: both say the same setting.
    """
    for name in fields:
        if options.get(name) is not None:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} and --set {name} say the same setting", "give one of them")
    return {**options, **fields}


def describe_settings(recipe: str, methods: Mapping[str, registry.Entry] = METHODS) -> dict[str, list[dict[str, Any]]]:
    """Return what ``--set`` takes beyond the options, by section: name, type, default and meaning of each setting.

    Args:
        recipe: the recipe whose values are the defaults.
        methods: the table of methods whose settings follow.
    """
    chosen = load_recipe(recipe)
    meanings = settings.meanings(Recipe)
    rare, named = (
        (RARE, ())
        if methods is METHODS
        else (tuple(name for name in RARE if name not in _NOT_DISTILLED), _DISTILLATION_OPTIONS)
    )
    sections = {"training": [settings.setting_row(name, getattr(chosen, name), meanings[name]) for name in rare]}
    for method in methods:
        kind = registry.load_entry(methods, method, kind="method").Settings
        method_meanings = settings.meanings(kind)
        own = [
            settings.setting_row(field.name, field.default, method_meanings.get(field.name, ""))
            for field in dataclasses.fields(kind)
            if field.name not in named
        ]
        if own:
            sections[f"--method {method}"] = own
    return sections
