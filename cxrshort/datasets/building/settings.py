"""Settings of ``build-dataset --set NAME=VALUE``: those of one reader or benchmark."""

from collections.abc import Sequence
from typing import Any

from cxrshort import registry, settings
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import UsageError

READER = (
    "uncertain",
    "age_unit",
    "covid_labels",
    "require_windowing",
    "require_report",
    "include_other_findings",
    "labeler",
)
"""Settings of ``ReadOptions`` without an option of their own."""

_BUILD_SETTINGS: dict[str, tuple[str | float, str]] = {
    "test_fit": ("", "fit of the repositories that a cohort keeps for testing; empty takes the recipe's"),
    "confounder_strength": (1.0, "share of the majority among the training images of a benchmark, 0 to 1"),
}


NAMES = (*READER, *_BUILD_SETTINGS)


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings that ``--set`` names, as the types that they have.

    Raises:
        UsageError: not of the form NAME=VALUE, an unknown name, a name given twice, or a value of another type.

    Example:
        >>> parse_settings(["require-report=true", "uncertain=negative"])
        {'require_report': True, 'uncertain': 'negative'}
    """
    values: dict[str, Any] = {}
    defaults = _defaults()
    for text in texts:
        key, sign, value = (part.strip() for part in text.partition("="))
        name = key.replace("-", "_")
        if not (name and sign):
            raise UsageError(f"--set '{text}' is not of the form NAME=VALUE", "--set help lists the settings")
        registry.check_name(defaults, name, kind="setting of build-dataset", list_all="--set help")
        if name in values:
            raise UsageError(f"--set names '{key}' twice", "give one value")
        values[name] = settings.parse_value(value, like=defaults[name], argument=f"--set {key}")
    return values


def _defaults() -> dict[str, Any]:
    options = ReadOptions()
    return {name: getattr(options, name) for name in READER} | {
        name: value for name, (value, _) in _BUILD_SETTINGS.items()
    }


def describe_settings() -> dict[str, list[dict[str, Any]]]:
    """Return name, type, default and meaning of every setting."""
    meanings = settings.meanings(ReadOptions) | {name: meaning for name, (_, meaning) in _BUILD_SETTINGS.items()}
    rows = [settings.setting_row(name, value, meanings[name]) for name, value in _defaults().items()]
    return {"build-dataset": rows}
