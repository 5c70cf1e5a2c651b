"""From the options of ``train`` to the values that go over a recipe's."""

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
    from cxrshort.training.recipes.settings import merge, split

    fields, own = split(settings)
    overrides = merge(options, fields) | {"settings": own}
    early.architecture(arch)
    early.method(overrides["method"])
    recipes.load(recipe, overrides=overrides)
    early.dataset(dataset)
    return overrides


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
        for name, given in (
            ("masks", target == "masks"),
            ("multiclass", multiclass),
            ("multilabel", multiclass is False),
            ("regression", regression),
        )
        if given
    ]
    if len(kinds) > 1:
        raise UsageError(
            "--target masks, --multiclass, --multilabel and --regression exclude each other", "give one of them"
        )
    return kinds[0] if kinds else None
