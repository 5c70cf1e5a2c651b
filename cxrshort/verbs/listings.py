"""Listings for ``help`` as a value: datasets, architectures, methods, recipes, settings, shortcuts.

Tables are imported where they are listed, so that names which need no torch are shown at once.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from cxrshort.results import Column, Listing, Result, Table, Text


def list_datasets() -> Result:
    """Return every dataset that build-dataset knows."""
    from cxrshort.datasets.catalogue import sections

    return _names(sections())


def list_pixel_recipes() -> Result:
    """Return the published ways from files to squares."""
    from cxrshort.datasets.building.pixel_recipes import summaries

    return _names({"pixel recipes": summaries()})


def list_shortcuts() -> Result:
    """Return the styles in which the rooms of a phantom dataset can differ."""
    from cxrshort.datasets.phantom.styles import SHORTCUTS

    return _names({"shortcuts": SHORTCUTS})


def list_methods() -> Result:
    """Return the training methods."""
    from cxrshort.training import METHODS

    return _names({"methods": {name: entry.summary for name, entry in METHODS.items()}})


def list_distillations() -> Result:
    """Return the methods of ``tea-distill``."""
    from cxrshort.training import DISTILLATIONS

    return _names({"methods": {name: entry.summary for name, entry in DISTILLATIONS.items()}})


def list_distillation_settings(recipe: str) -> Result:
    """Return the settings that ``tea-distill --set`` takes, with their types and defaults."""
    from cxrshort.training import DISTILLATIONS
    from cxrshort.training.recipes.settings import describe_settings

    return _settings(describe_settings(recipe, DISTILLATIONS))


def list_attribution_methods() -> Result:
    """Return the attribution methods."""
    from cxrshort.attribution import METHODS

    return _names({"attribution methods": {name: entry.summary for name, entry in METHODS.items()}})


def list_attribution_settings() -> Result:
    """Return the settings that ``explain --set`` takes, by method."""
    from cxrshort.attribution.method_settings import describe_settings

    return _settings(describe_settings())


def list_architectures() -> Result:
    """Return the architectures with their parameters and input sizes."""
    from cxrshort.models.sources.architectures import describe_architectures

    rows = describe_architectures()
    columns = [
        Column("architecture", "name"),
        Column("parameters", "parameters", "count"),
        Column("input, pixels", "input"),
        Column("", "summary"),
    ]
    return Result({"architectures": rows}, (Table(columns, rows),), kind="architectures")


def list_recipes() -> Result:
    """Return the recipes of ``train``: where each comes from, all values of the standard one, and how others differ."""
    from cxrshort.training import METHODS

    return _recipes(METHODS, standard="standard")


def list_distillation_recipes() -> Result:
    """Return the recipes of ``tea-distill``, as :func:`list_recipes` does those of ``train``."""
    from cxrshort.training import DISTILLATIONS

    return _recipes(DISTILLATIONS, standard="distillation")


def _recipes(methods: Container[str], *, standard: str) -> Result:
    from cxrshort.training import recipes

    sources = {name: text for name, text in recipes.sources().items() if recipes.load_recipe(name).method in methods}
    differences = {name: recipes.differences(name, standard) for name in sources}
    return _described(sources, recipes.load_recipe(standard).record(), differences, standard=standard)


def _described(
    sources: Mapping[str, str],
    reference: Mapping[str, Any],
    differences: Mapping[str, Mapping[str, Any]],
    *,
    standard: str,
) -> Result:
    """Return recipes with their sources, all values of the standard one, and the differences of the others."""
    shown, summary = list[Text](), {}
    for name in sorted(sources, key=lambda name: name != standard):
        values = {key: value for key, value in differences[name].items() if key != "name"}
        summary[name] = {"source": sources[name], "values": {**reference, **values}}
        if name == standard:
            values = {key: value for key, value in reference.items() if key != "name" and value != ""}
        text = ", ".join(f"{key} {_value_text(value)}" for key, value in values.items())
        shown += [
            Text(name),
            Text(sources[name], folded=True, start="  ", indent="  "),
            Text(text, folded=True, start="  values: ", indent="    "),
            Text(""),
        ]
    end = Text("what a recipe does not list has its standard value")
    return Result({"recipes": {name: summary[name] for name in sources}}, (*shown, end), kind="recipes")


def list_cyclegan_recipes() -> Result:
    """Return the recipes of ``cyclegan train``, as :func:`list_recipes` does those of ``train``."""
    from cxrshort.generative.cyclegan import recipes

    reference = recipes.load_recipe(recipes.STANDARD).record()
    values = {
        name: {key: value for key, value in recipes.load_recipe(name).record().items() if value != reference[key]}
        for name in recipes.names()
    }
    return _described(recipes.sources(), reference, values, standard=recipes.STANDARD)


def list_cyclegan_settings(recipe: str) -> Result:
    """Return the settings that ``cyclegan train --set`` takes beyond the options.

    Args:
        recipe: the recipe whose values are the defaults.
    """
    from cxrshort.generative.cyclegan.recipes import describe_settings

    return _settings(describe_settings(recipe))


def list_training_settings(recipe: str) -> Result:
    """Return the settings that ``train --set`` takes beyond the options.

    Args:
        recipe: the recipe whose values are the defaults.
    """
    from cxrshort.training.recipes.settings import describe_settings

    return _settings(describe_settings(recipe))


def list_build_settings() -> Result:
    """Return the settings that ``build-dataset --set`` takes beyond the options."""
    from cxrshort.datasets.building.settings import describe_settings

    return _settings(describe_settings())


def _names(sections: Mapping[str, Mapping[str, str]]) -> Result:
    return Result(sections, (Listing({title: list(names.items()) for title, names in sections.items()}),), kind="names")


def _settings(sections: Mapping[str, Sequence[Mapping[str, Any]]]) -> Result:
    lines = {
        title: [(row["name"], row["type"], _value_text(row["default"]), row["meaning"]) for row in rows]
        for title, rows in sections.items()
    }
    summary = {"settings": {title: list(rows) for title, rows in sections.items()}}
    return Result(summary, (Listing(lines),), kind="settings")


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value) or "-"
