"""Recipes of a CycleGAN: the two published ones, settings and what is refused."""

from pathlib import Path

import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.generative.cyclegan import recipes
from cxrshort.generative.cyclegan.recipes import CycleGanRecipe, load_recipe, parse_settings


def test_published_recipes_are_what_paper_and_code_say() -> None:
    code, paper = load_recipe("degrave2021-code"), load_recipe("degrave2021-paper")
    assert (code.loss, code.cycle, code.identity) == ("lsgan", 10.0, 5.0)
    assert (paper.loss, paper.cycle, paper.identity, paper.epochs) == ("log", 1.0, 0.0, 3000)
    for recipe in (code, paper):
        assert (recipe.batch_size, recipe.channels, recipe.flip, recipe.zoom, recipe.ema) == (1, 3, True, 1.12, 0.0)
        assert (recipe.learning_rate, recipe.beta1, recipe.beta2, recipe.replay) == (2e-4, 0.5, 0.999, 50)
        assert (recipe.width, recipe.blocks, recipe.discriminator_width, recipe.constant_share) == (64, 9, 64, 0.5)
    assert code.epochs == 200


def test_standard_mirrors_nothing_and_has_one_channel() -> None:
    standard = load_recipe("standard")
    assert (standard.flip, standard.zoom, standard.channels) == (False, 1.0, 1)
    assert standard.record()["method"] == "cyclegan"


def test_every_recipe_has_a_source() -> None:
    assert sorted(recipes.sources()) == recipes.names() == ["degrave2021-code", "degrave2021-paper", "standard"]
    assert all(recipes.sources().values())


def test_own_file_says_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("cycle = 3\nepochs = 7\n")
    recipe = load_recipe(str(path), overrides={"epochs": 9, "width": None})
    assert (recipe.name, recipe.cycle, recipe.epochs, recipe.width) == ("mine", 3.0, 9, CycleGanRecipe("").width)
    assert recipes.differences(recipe) == {"cycle": 3.0, "epochs": 9}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cicle = 3", "'cicle' is not a known setting of a recipe"),
        ("epochs = 1.5", "epochs is '1.5', it must be a whole number"),
        ("optimizer = 'sgd'", "'optimizer' is not a known setting of a recipe"),
    ],
)
def test_own_file_with_something_else_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_recipe(str(path))


def test_own_file_of_a_published_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "degrave2021-code.toml"
    path.write_text("cycle = 3")
    with pytest.raises(UsageError, match="has the name of a published recipe"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"loss": "wgan"}, "'wgan' is not a known loss"),
        ({"epochs": 0}, "--epochs is '0', it must be 1 or more"),
        ({"blocks": 0}, "--set blocks is '0', it must be 1 or more"),
        ({"learning_rate": float("nan")}, "--learning-rate is 'nan', it must be above 0"),
        ({"cycle": -1.0}, "--cycle is '-1.0', it must not be below 0"),
        ({"per_class": -1}, "--per-class is '-1', it must not be below 0"),
        ({"ema": 1.0}, "--set ema is '1.0', it must be at least 0 and below 1"),
        ({"constant_share": 1.5}, "--set constant_share is '1.5', it must be from 0 to 1"),
        ({"zoom": 0.5}, "--set zoom is '0.5', it must be from 1 to 2"),
        ({"channels": 2}, "--set channels is '2', it must be 1 or 3"),
    ],
)
def test_settings_out_of_range_are_refused(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe("standard", overrides=overrides)
    assert caught.value.message == message


def test_settings_have_the_type_of_their_default() -> None:
    assert parse_settings(["zoom=1.12", "flip=true", "discriminator-width=8"]) == {
        "zoom": 1.12,
        "flip": True,
        "discriminator_width": 8,
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["zoom"], "--set 'zoom' is not of the form NAME=VALUE"),
        (["zoon=2"], "'zoon' is not a known setting"),
        (["zoom=2", "zoom=1"], "--set names 'zoom' twice"),
        (["blocks=many"], "--set blocks is 'many', it must be a whole number"),
    ],
)
def test_settings_that_are_none_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_settings(texts)
    assert caught.value.message == message


def test_listed_settings_are_those_without_an_option() -> None:
    rows = recipes.describe_settings("degrave2021-code")["training"]
    assert [row["name"] for row in rows] == list(recipes.RARE)
    assert all(row["meaning"].endswith(".") for row in rows)
    assert {row["name"]: row["default"] for row in rows}["zoom"] == 1.12
