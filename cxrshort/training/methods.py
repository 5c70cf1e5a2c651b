"""Methods of ``train``: an objective of the training loop, or a cure of a trained model."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from cxrshort.models import checkpoint
from cxrshort.models.outputs import Task
from cxrshort.training import CURES
from cxrshort.training.checks import find_fitting_architecture
from cxrshort.training.cures.contract import Cure, make_cure
from cxrshort.training.cures.start import locate_start
from cxrshort.training.objectives.contract import Objective, make_objective
from cxrshort.training.recipes import Recipe


def is_cure(recipe: Recipe) -> bool:
    """Return whether a recipe changes a trained model, instead of training one."""
    return recipe.method in CURES


def make_method(recipe: Recipe) -> Objective | Cure:
    """Build the objective or the cure that a recipe names.

    Raises:
        UsageError: an unknown method or setting, or a value of another type.
    """
    if is_cure(recipe):
        return make_cure(recipe.method, recipe.settings, task=Task(recipe.task))
    return make_objective(recipe.method, recipe.settings, task=Task(recipe.task))


def check_method(recipe: Recipe, arch: str, *, replicates: Iterable[int]) -> tuple[Mapping[int, Recipe], str]:
    """Refuse early what does not fit together; return the recipe of each replicate, and the architecture.

    A cure changes another model in each replicate, whose architecture it takes where none is named.

    Args:
        recipe: every setting.
        arch: the architecture; empty where a cure is to take the model's.
        replicates: numbers of the splits.

    Raises:
        UsageError: a method, setting or architecture that does not fit, or no model to be changed.
        MissingInputError: the model is not there.
        DataError: it is not a model file.
    """
    method = make_method(recipe)
    if isinstance(method, Objective):
        find_fitting_architecture(arch, recipe, method)
        return dict.fromkeys(replicates, recipe), arch
    located = {number: locate_start(recipe, replicate=number) for number in replicates}
    first = next(iter(located.values()))
    return located, arch or checkpoint.read_description(Path(first.weights)).architecture
