"""What ``help`` in the place of a value lists, with its JSON document."""

from collections.abc import Callable

import pytest

from cxrshort.attribution import METHODS
from cxrshort.datasets.building import settings as build_settings
from cxrshort.datasets.catalogue import sections
from cxrshort.models import ARCHITECTURES
from cxrshort.results import Listing, Result, Table
from cxrshort.training import METHODS as TRAINING_METHODS
from cxrshort.training import recipes
from cxrshort.training.recipes.settings import RARE
from cxrshort.verbs import listings


def listed(result: Result) -> dict[str, list[str]]:
    """Return the names that people see, by section."""
    (shown,) = result.tables
    assert isinstance(shown, Listing)
    return {title: [cells[0] for cells in lines] for title, lines in shown.sections.items()}


@pytest.mark.parametrize("make", [listings.list_datasets, listings.list_pixel_recipes, listings.list_methods])
def test_people_and_programs_read_the_same_names(make: Callable[[], Result]) -> None:
    result = make()
    document = result.document
    assert document.pop("schema") == "cxrshort.names/1"
    assert listed(result) == {title: list(names) for title, names in document.items()}


def test_datasets_stand_in_their_sections() -> None:
    assert listed(listings.list_datasets()) == {title: list(names) for title, names in sections().items()}
    assert listed(listings.list_methods()) == {"methods": list(TRAINING_METHODS)}


def test_architectures_are_a_table_with_their_parameters() -> None:
    result = listings.list_architectures()
    (shown,) = result.tables
    assert isinstance(shown, Table) and [row["name"] for row in shown.rows] == list(ARCHITECTURES)
    assert result.document["architectures"] == list(shown.rows)
    assert all(row["parameters"] > 0 for row in shown.rows)


def test_settings_have_name_type_default_and_meaning() -> None:
    result = listings.list_training_settings("tea2025")
    (shown,) = result.tables
    assert isinstance(shown, Listing)
    training = {name: cells for name, *cells in shown.sections["training"]}
    assert list(training) == list(RARE)
    assert training["milestones"][:2] == ["text", "10,40,160"]
    assert result.document["settings"]["training"][0]["name"] == RARE[0]
    build = listed(listings.list_build_settings())
    assert build == {title: [row["name"] for row in rows] for title, rows in build_settings.describe_settings().items()}


def test_recipes_have_their_source_and_all_their_values() -> None:
    document = listings.list_recipes().document
    assert document["schema"] == "cxrshort.recipes/1" and list(document["recipes"]) == recipes.names()
    for name, recipe in document["recipes"].items():
        assert recipe["source"] and recipe["values"]["epochs"] == recipes.published(name).epochs


def test_attribution_methods_and_their_settings_are_listed() -> None:
    assert listed(listings.list_attribution_methods()) == {"attribution methods": list(METHODS)}
    sections = listed(listings.list_attribution_settings())
    assert sections["--method expected-gradients"] == ["samples"] and "--method gradient" not in sections
