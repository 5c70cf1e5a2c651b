"""Grids of settings, parsed and checked before any work."""

import pytest

from cxrshort.errors import UsageError
from cxrshort.training import recipes
from cxrshort.training.sweeps import apply_point, parse_grid

STANDARD = recipes.load_recipe("standard")


def test_grid_is_every_combination_in_the_order_given() -> None:
    points = parse_grid(["lr=0.1,0.01", "batch-size=8,16"], STANDARD)
    pairs = [(0.1, 8), (0.1, 16), (0.01, 8), (0.01, 16)]
    assert points == [{"learning_rate": rate, "batch_size": size} for rate, size in pairs]


def test_empty_grid_is_one_point_without_values() -> None:
    assert parse_grid([], STANDARD) == [{}]


def test_settings_of_the_method_are_searched_too_and_stand_over_those_given() -> None:
    recipe = recipes.load_recipe("standard", overrides={"method": "rrr", "settings": "weight=1"})
    points = parse_grid(["weight=10,100", "ema=0,0.9"], recipe)
    assert [apply_point(recipe, point).settings for point in points] == ["weight=1,weight=10"] * 2 + [
        "weight=1,weight=100"
    ] * 2
    assert [apply_point(recipe, point).ema for point in points] == [0.0, 0.9] * 2


def test_switches_and_words_are_read_as_such() -> None:
    points = parse_grid(["class-weights=true,false", "optimizer=sgd,adam"], STANDARD)
    assert points[0] == {"class_weights": True, "optimizer": "sgd"} and len(points) == 4


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["lr"], "--grid 'lr' is not of the form NAME=VALUE,VALUE"),
        (["lr="], "--grid 'lr=' is not of the form NAME=VALUE,VALUE"),
        (["lr=0.1,fast"], "--grid learning-rate is 'fast', it must be a number"),
        (["epochs=1.5"], "--grid epochs is '1.5', it must be a whole number"),
        (["class-weights=maybe"], "--grid class-weights is 'maybe', it must be true or false"),
        (["lr=0.1,0.1"], "--grid 'lr=0.1,0.1' has a value twice"),
        (["lr=0.1", "learning-rate=1"], "--grid names 'learning-rate' twice"),
        (["lr=0.1,-1"], "--learning-rate is '-1.0', it must be above 0"),
        (["optimizer=sgd,lion"], "'lion' is not a known optimizer"),
        (["weight=3"], "'weight' is not a known setting to search"),
        (["labels=Edema"], "'labels' is not a known setting to search"),
    ],
)
def test_grid_refuses(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_grid(texts, STANDARD)
    assert caught.value.message == message


def test_bad_setting_of_a_method_is_refused_before_any_work() -> None:
    with pytest.raises(UsageError) as caught:
        parse_grid(["weight=1,heavy"], recipes.load_recipe("standard", overrides={"method": "rrr"}))
    assert caught.value.message == "--set weight is 'heavy', it must be a number"
