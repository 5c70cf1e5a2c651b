"""Methods of train: objectives and cures."""

import pytest

from cxrshort.errors import UsageError
from cxrshort.training import METHODS, recipes
from cxrshort.training.cures.contract import Cure
from cxrshort.training.methods import check_method, is_cure, make_method
from cxrshort.training.objectives.contract import Objective


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_an_objective_or_a_cure(name: str) -> None:
    recipe = recipes.load_recipe("standard", overrides={"method": name})
    assert isinstance(make_method(recipe), Cure if is_cure(recipe) else Objective)


def test_objectives_keep_recipe_and_architecture() -> None:
    recipe = recipes.load_recipe("standard")
    assert check_method(recipe, "small-cnn", replicates=[0, 1]) == ({0: recipe, 1: recipe}, "small-cnn")


def test_cure_without_a_model_is_refused() -> None:
    recipe = recipes.load_recipe("standard", overrides={"method": "dfr"})
    with pytest.raises(UsageError) as caught:
        check_method(recipe, "", replicates=[0])
    assert caught.value.message == "'dfr' changes a trained model, and --weights is 'none'"
