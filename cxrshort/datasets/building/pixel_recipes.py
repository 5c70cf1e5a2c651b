"""Pixel recipes: how image files become the squares of a cache.

A pixel recipe is a property of a dataset (``run.json`` holds it), and a model refuses a dataset made in another way.
"""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from cxrshort import registry
from cxrshort.images.placement import FITS

FIT = "cache_fit"
"""The column of candidates that says how each image lies in its square, see :func:`cxrshort.images.placement.place`."""


@dataclass(frozen=True)
class PixelRecipe:
    """Specify how files are fitted into squares.

    Args:
        fit: ``"crop"``, ``"pad"`` or ``"squash"``, see :func:`cxrshort.images.placement.place`.
        test_fit: the same for repositories that a cohort keeps for testing alone; empty takes ``fit``.
        equalise: whether the histogram of each picture is flattened first.
    """

    fit: str = "crop"
    test_fit: str = ""
    equalise: bool = False

    def record(self) -> dict[str, Any]:
        """Return the recipe as run.json has it."""
        return {"fit": self.fit, "equalise": self.equalise} | ({"test_fit": self.test_fit} if self.test_fit else {})

    def fits(self, rows: pd.DataFrame, fractions: dict[str, tuple[float, float]]) -> pd.Series:
        """Return how each row is fitted.

        Args:
            rows: with the column ``repository``.
            fractions: shares of test and val persons by repository.
        """
        tested = {name for name, (test, _) in fractions.items() if test == 1.0}
        return rows["repository"].isin(tested).map({True: self.test_fit or self.fit, False: self.fit})


RECIPES = {
    # DeGrave et al. 2021, Methods: the shorter side to 224 pixels, then the centre.
    "degrave2021": PixelRecipe("crop"),
    # Bassi et al. 2025 (TEA), appendix D: "test images only are padded", since black borders could become a shortcut.
    "tea2025": PixelRecipe("squash", test_fit="pad", equalise=True),
}


SUMMARIES = {
    "degrave2021": "DeGrave et al. 2021: the shorter side to N pixels, then the centre",
    "tea2025": "Bassi et al. 2025 (TEA): equalised, squashed to squares; repositories for testing alone padded",
}


def summaries() -> dict[str, str]:
    """Return every pixel recipe with its one-line summary."""
    return {name: SUMMARIES[name] for name in RECIPES}


def pixel_recipe(
    name: str | None, *, fit: str | None = None, test_fit: str | None = None, equalise: bool = False
) -> PixelRecipe:
    """Return a paper's recipe with the command line's values over it.

    Args:
        name: one of ``RECIPES``; None takes that of DeGrave et al. 2021, the field's usual one.
        fit: over the recipe's; None leaves it.
        test_fit: over the recipe's; None leaves it.
        equalise: equalise even where the recipe does not.

    Raises:
        UsageError: an unknown name.
    """
    if name is not None:
        registry.check_name(RECIPES, name, kind="pixel recipe")
    recipe = RECIPES[name or "degrave2021"]
    for value in filter(None, (fit, test_fit)):
        registry.check_name(FITS, value, kind="fit")
    return replace(
        recipe,
        fit=fit or recipe.fit,
        test_fit=recipe.test_fit if test_fit is None else test_fit,
        equalise=equalise or recipe.equalise,
    )
