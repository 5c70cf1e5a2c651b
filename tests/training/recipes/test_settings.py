"""One namespace for ``--set``, and recipes of one's own."""

import dataclasses
from pathlib import Path

import pytest

from cxrshort import registry
from cxrshort.errors import CxrshortError, UsageError
from cxrshort.training import METHODS, recipes
from cxrshort.training.recipes import RARE, Recipe
from cxrshort.training.recipes.settings import describe_settings, merge_settings, recipe_fields, split_settings


@pytest.mark.parametrize("method", METHODS)
def test_no_name_of_set_means_two_things(method: str) -> None:
    own = {field.name for field in dataclasses.fields(registry.load_entry(METHODS, method, kind="method").Settings)}
    assert own & recipe_fields().keys() == set()


def test_settings_are_parted_and_typed() -> None:
    texts = [
        "lr=1e-4",
        "step-factor=0.5",
        "compile=true",
        "label_weights=COVID-19=25,Edema=2",
        "weight=10,warm_up_epochs=2",
    ]
    assert split_settings(texts) == (
        {"learning_rate": 1e-4, "step_factor": 0.5, "compile": True, "label_weights": "COVID-19=25,Edema=2"},
        "weight=10,warm_up_epochs=2",
    )
    assert split_settings([]) == ({}, None)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["momentum"], "--set 'momentum' is not of the form NAME=VALUE"),
        (["momentum=fast"], "--set momentum is 'fast', it must be a number"),
        (["epochs=1.5"], "--set epochs is '1.5', it must be a whole number"),
        (["compile=1"], "--set compile is '1', it must be true or false"),
        (["momentum=0.9", "momentum=0.8"], "--set names 'momentum' twice"),
        (["method=rrr"], "--set does not take 'method'"),
    ],
)
def test_settings_that_cannot_be_read_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        split_settings(texts)
    assert caught.value.message == message


def test_option_and_setting_exclude_each_other() -> None:
    assert merge_settings({"epochs": None, "group": "view"}, {"epochs": 3}) == {"epochs": 3, "group": "view"}
    with pytest.raises(UsageError) as caught:
        merge_settings({"batch_size": 8}, {"batch_size": 16})
    assert caught.value.message == "--batch-size and --set batch_size say the same setting"


def test_settings_are_described_by_type_default_and_meaning() -> None:
    listed = describe_settings("tea2025")
    rows = {row["name"]: row for row in listed["training"]}
    assert list(rows) == list(RARE) and set(RARE) <= set(recipe_fields())
    assert rows["momentum"] == {
        "name": "momentum", "type": "number", "default": 0.99, "meaning": "Momentum (SGD only)."
    }  # fmt: skip
    assert all(row["meaning"] for section in listed.values() for row in section)
    assert "--method erm" not in listed and "weight" in {row["name"] for row in listed["--method rrr"]}


def test_recipe_of_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('source = "us"\nmethod = "rrr"\nlearning_rate = 1\nsettings = "weight=3"\n')
    recipe = recipes.load_recipe(str(path), overrides={"epochs": 4})
    assert recipe == Recipe("mine", method="rrr", learning_rate=1.0, settings="weight=3", epochs=4)
    assert recipes.published(recipe.name) == Recipe("mine")


@pytest.mark.parametrize(
    ("name", "text", "code", "message"),
    [
        ("mine.toml", "epochs = ", 65, "is not TOML"),
        ("mine.toml", "a = " + "[" * 20_000, 65, "is not TOML"),
        ("mine.toml", "epoch = 3", 65, "'epoch' is not a known setting of a recipe"),
        ("mine.toml", "epochs = 3.5", 65, "epochs is '3.5', it must be a whole number"),
        ("mine.toml", "epochs = true", 65, "epochs is 'True', it must be a whole number"),
        ("mine.toml", "optimizer = 1", 65, "optimizer is '1', it must be a text in quotes"),
        ("mine.toml", "epochs = 0", 2, "--epochs is '0', it must be above 0"),
        ("standard.toml", "epochs = 3", 2, "has the name of a published recipe"),
        ("absent.toml", None, 66, "does not exist"),
    ],
)
def test_recipe_of_a_file_is_refused(tmp_path: Path, name: str, text: str | None, code: int, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(CxrshortError) as caught:
        recipes.load_recipe(str(tmp_path / name))
    assert caught.value.exit_code == code
    assert message in caught.value.message
