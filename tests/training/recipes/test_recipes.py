import pytest

from cxrshort.errors import UsageError
from cxrshort.registry import check_name
from cxrshort.training import AUGMENTATIONS, OBJECTIVES, recipes
from cxrshort.training.recipes import Recipe


@pytest.mark.parametrize("name", recipes.names())
def test_recipe_names_things_that_exist(name: str) -> None:
    recipe = recipes.load(name)
    assert recipe.name == name
    check_name(OBJECTIVES, recipe.method, kind="method")
    check_name(AUGMENTATIONS, recipe.augment, kind="augmentation")


def test_degrave2021_says_what_the_paper_says() -> None:
    assert recipes.load("degrave2021") == Recipe(
        name="degrave2021",
        method="erm",
        weights="imagenet",
        epochs=30,
        batch_size=16,
        optimizer="sgd",
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=1e-4,
        schedule="step",
        step_epochs=5,
        step_factor=0.1,
        clip_norm=0.0,
        empty_labels="zero",
        augment="none",
        labels="all",
        select_label="COVID-19",
    )


def test_a_given_value_overrides_one_setting_and_none_leaves_the_recipes() -> None:
    recipe = recipes.load("degrave2021", overrides={"epochs": 3, "learning_rate": None})
    assert recipe == Recipe(**{**recipes.load("degrave2021").record(), "epochs": 3})


@pytest.mark.parametrize(
    ("overrides", "message", "hint"),
    [
        ({"optimizer": "adan"}, "'adan' is not a known optimizer", "did you mean 'adam'?"),
        ({"schedule": "cosin"}, "'cosin' is not a known schedule", "did you mean 'cosine'?"),
        ({"empty_labels": "x"}, "'x' is not a known way to read empty labels", "one of: mask, zero"),
        ({"epochs": 0}, "--epochs is '0', it must be above 0", ""),
        ({"batch_size": -4}, "--batch-size is '-4', it must be above 0", ""),
        ({"learning_rate": 0.0}, "--learning-rate is '0.0', it must be above 0", ""),
        ({"learning_rate": float("nan")}, "--learning-rate is 'nan', it must be above 0", ""),
        ({"step_epochs": 0}, "--step-epochs is '0', it must be above 0", ""),
        ({"weight_decay": -0.1}, "--weight-decay is '-0.1', it must not be below 0", ""),
        ({"momentum": -0.1}, "--momentum is '-0.1', it must not be below 0", ""),
        ({"clip_norm": float("nan")}, "--clip-norm is 'nan', it must not be below 0", ""),
    ],
)
def test_setting_out_of_range_is_refused(overrides: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipes.load("standard", overrides=overrides)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_unknown_recipe_proposes_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        recipes.load("degrave2020")
    assert caught.value.message == "'degrave2020' is not a known recipe"
    assert caught.value.hint == "did you mean 'degrave2021'?"
