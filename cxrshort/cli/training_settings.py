"""Overrides of a recipe from the options of ``train``."""

from collections.abc import Sequence
from typing import Any

from cxrshort.cli import early
from cxrshort.errors import UsageError
from cxrshort.registry import check_name
from cxrshort.results import Result


def checked(
    options: dict[str, Any], settings: Sequence[str], *, dataset: str, arch: str, recipe: str
) -> dict[str, Any]:
    """Return everything that goes over the recipe's values; refuse what needs no heavy import to be refused."""
    from cxrshort.training import recipes
    from cxrshort.training.recipes.settings import merge_settings, split_settings

    fields, own = split_settings(settings)
    overrides = merge_settings(options, fields) | {"settings": own}
    if arch:
        early.architecture(arch)
    early.method(overrides["method"])
    recipes.load_recipe(recipe, overrides=overrides)
    early.datasets_to_train_on(dataset)
    return overrides


def split_distillation(
    options: dict[str, Any], settings: Sequence[str], *, own: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what goes over a recipe's values, and what goes over a distillation's own settings.

    Args:
        options: of the recipe, by name.
        settings: of ``--set``, of either.
        own: options of the distillation, by name.

    Raises:
        UsageError: a setting that is given twice, or that has no meaning here.
    """
    from cxrshort.training.recipes.settings import merge_settings, split_settings, split_text

    fields, text = split_settings(settings)
    return merge_settings(options, fields), merge_settings(own, split_text(text or ""))


def distillation_listing(*, arch: str, recipe: str, method: str | None) -> Result:
    """Return what ``help`` in the place of a value of ``tea-distill`` asks for."""
    from cxrshort.verbs import listings

    if arch == "help":
        return listings.list_architectures()
    if recipe == "help":
        return listings.list_distillation_recipes()
    if method == "help":
        return listings.list_distillations()
    return listings.list_distillation_settings(recipe)


def takes_model(method: str | None) -> bool:
    """Return whether a method changes a trained model, which says what its architecture is."""
    from cxrshort.training import CURES

    return method in CURES


def listing(*, arch: str, recipe: str, method: str | None) -> Result:
    """Return what ``help`` in the place of a value asks for."""
    from cxrshort.verbs import listings

    if arch == "help":
        return listings.list_architectures()
    if recipe == "help":
        return listings.list_recipes()
    if method == "help":
        return listings.list_methods()
    return listings.list_training_settings(recipe)


def task(target: str, *, multiclass: bool | None, regression: bool) -> str | None:
    """Return what the outputs mean; None leaves it to the recipe.

    Raises:
        UsageError: two tasks at once.
    """
    check_name(("labels", "masks"), target, kind="target")
    kinds = [
        name
        for name, is_chosen in (
            ("masks", target == "masks"),
            ("multiclass", multiclass),
            ("multilabel", multiclass is False),
            ("regression", regression),
        )
        if is_chosen
    ]
    if len(kinds) > 1:
        raise UsageError(
            "--target masks, --multiclass, --multilabel and --regression exclude each other", "give one of them"
        )
    return kinds[0] if kinds else None
