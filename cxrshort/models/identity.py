"""Identity and name of a training.

Models are replicates of one training where dataset, architecture, recipe and settings agree, whatever their replicate
and seed. Neither the identity nor the name of a training depends on the models that stand beside it.
"""

import hashlib
import json
from typing import Any

from cxrshort.models.checkpoint import Description

IDENTITY_DIGITS = 32
"""Hexadecimal digits of an identity: 128 bits, too many to collide or to be read as a number."""


def training_id(description: Description) -> str:
    """Return the identity of a training, of dataset, architecture, recipe and settings without replicate and seed.

    A model of unknown training has none: it is a training of its own.

    Example:
        >>> from dataclasses import replace
        >>> from cxrshort.models.classifier import InputSpec
        >>> recipe = {"method": "erm", "epochs": 2}
        >>> model = Description("classifier", "resnet18", ("COVID-19",), InputSpec(64), dataset="I", recipe=recipe)
        >>> training_id(model) == training_id(replace(model, seed=2, replicate=3))
        True
        >>> training_id(model) == training_id(replace(model, recipe=recipe | {"epochs": 9}))
        False
    """
    if not description.recipe.get("method"):
        return ""
    text = json.dumps(_settings(description), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:IDENTITY_DIGITS]


def _settings(description: Description) -> dict[str, Any]:
    """Return what makes replicates of one training."""
    # Older models record no identity of their dataset, only its name.
    recipe = {name: value for name, value in description.recipe.items() if name != "name"}
    names = ("kind", "architecture", "members", "combine", "background", "threshold")
    return {
        "dataset": description.dataset_id or description.dataset,
        **{name: getattr(description, name) for name in names},
        "recipe": recipe,
    }


def training_name(description: Description) -> str:
    """Return what people call a training: ``DATASET/ARCHITECTURE/METHOD, SETTING=VALUE``.

    The settings are those that differ from the recipe's, as the description records them; models that were written
    before descriptions did are named by their method alone.

    Example:
        >>> from cxrshort.models.classifier import InputSpec
        >>> training_name(
        ...     Description("classifier", "resnet18", ("A",), InputSpec(64), dataset="I", training="erm, epochs=9")
        ... )
        'I/resnet18/erm, epochs=9'
    """
    how = description.training or str(description.recipe.get("method", ""))
    if not description.training and description.background:
        how += f" on {description.background}"
    if description.members > 1:
        how += f", members={description.members}" + ("" if description.combine == "mean" else ", combine=quadratic")
    return "/".join(filter(None, (description.dataset, description.architecture, how)))
