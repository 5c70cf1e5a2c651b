"""Attribution methods as the command line names them, and whether they can look into a model."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cxrshort import registry, settings
from cxrshort.attribution import METHODS
from cxrshort.attribution.contract import AttributionMethod
from cxrshort.errors import UsageError
from cxrshort.models.scoring import evaluating

DEFAULT_METHOD = "expected-gradients"
PASSES = ("samples", "steps")
"""Settings that count passes through the network for each map; the more there are, the better maps add up."""
_ANY_MODEL = "--method occlusion explains any model"
_FOURFOLD = 4
"""Times as many samples halve a random error, and times as many steps one of quadrature still more."""


def read_method(name: str, texts: Sequence[str] = ()) -> tuple[AttributionMethod, Any]:
    """Return a method and its settings.

    Args:
        name: one of :data:`cxrshort.attribution.METHODS`.
        texts: ``NAME=VALUE``; what they leave out has its default.

    Raises:
        UsageError: an unknown method or setting, a setting named twice, or a value that is not allowed.

    Example:
        >>> read_method("expected-gradients", ["samples=50"])[1]
        ExpectedGradientsSettings(samples=50)
    """
    method: AttributionMethod = registry.load_entry(METHODS, name, kind="attribution method")
    defaults = {field.name: field.default for field in _fields(method)}
    values: dict[str, Any] = {}
    for text in texts:
        key, sign, value = (part.strip() for part in text.partition("="))
        if not (key and sign):
            raise UsageError(f"--set '{text}' is not of the form NAME=VALUE", "--set help lists the settings")
        if not defaults:
            raise UsageError(f"--set '{text}' says nothing to '{name}', which has no settings", "leave it out")
        key = key.replace("-", "_")
        registry.check_name(defaults, key, kind=f"setting of {name}")
        if key in values:
            raise UsageError(f"--set names '{key}' twice", "give one value")
        values[key] = settings.parse_value(value, like=defaults[key], argument=f"--set {text}")
    return method, method.Settings(**values)


def more_passes(settings: Any) -> str:
    """Return the option that makes maps add up better; empty for settings that count no passes.

    Example:
        >>> more_passes(read_method("expected-gradients")[1])
        '--set samples=800'
    """
    for name in PASSES:
        if hasattr(settings, name):
            return f"--set {name}={_FOURFOLD * int(getattr(settings, name))}"
    return ""


def describe_settings() -> dict[str, list[dict[str, Any]]]:
    """Return the settings of every method that has any: name, type, default and meaning of each."""
    sections = {}
    for name in METHODS:
        method: AttributionMethod = registry.load_entry(METHODS, name, kind="attribution method")
        meanings = settings.meanings(method.Settings) if isinstance(method.Settings, type) else {}
        rows = [settings.setting_row(field.name, field.default, meanings[field.name]) for field in _fields(method)]
        if rows:
            sections[f"--method {name}"] = rows
    return sections


def _fields(method: AttributionMethod) -> tuple["dataclasses.Field[Any]", ...]:
    return dataclasses.fields(method.Settings())


def check_gradients(method: AttributionMethod, model: nn.Module, image: Tensor, *, name: str) -> None:
    """Refuse a model that autograd cannot look into, if the method needs gradients.

    Args:
        method: the method.
        model: maps images to logits, on the image's device.
        image: (1, C, H, W).
        name: of the model, for the message.

    Raises:
        UsageError: the logits do not depend on the image by any graph.
    """
    if not method.requires.gradients:
        return
    with torch.enable_grad(), evaluating(model):
        try:
            logits = model(image.detach().clone().requires_grad_())
            has_graph = bool(logits.requires_grad)
        except UsageError:  # an ONNX network says so itself, and not what explains it
            has_graph = False
    if not has_graph:
        raise UsageError(f"'{name}' has no gradients, which '{method.name}' needs", _ANY_MODEL)
