"""Settings of a method of ``train``, an objective of the loop or a cure, from the text that a recipe holds."""

import dataclasses
from typing import Any

from cxrshort import registry
from cxrshort.errors import UsageError
from cxrshort.settings import parse_value
from cxrshort.training.recipes.settings import recipe_fields


def parse_settings(method: str, kind: type, text: str) -> dict[str, Any]:
    """Return the settings of a method that a recipe's text gives, as the types that they have.

    Args:
        method: its name, for messages.
        kind: the dataclass of its settings.
        text: ``name=value`` joined by commas.

    Raises:
        UsageError: an unknown setting, or a value of another type.
    """
    fields = {field.name: field.default for field in dataclasses.fields(kind)} if text else {}
    values: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, sign, value = part.partition("=")
        if not sign:
            raise UsageError(f"--set '{part}' is not of the form name=value", "such as --set weight=10")
        registry.check_name([*fields, *recipe_fields()], key, kind=f"setting of {method}", list_all="--set help")
        if key not in fields:
            raise UsageError(
                f"'{key}' is not a setting of {method}", "it is a setting of the recipe: give it a --set of its own"
            )
        values[key] = parse_value(value, like=fields[key], argument=f"--set {key}")
    return values
