"""What ``help`` in the place of a value lists, with its JSON document."""

from collections.abc import Callable

import pytest

from cxrshort.attribution import METHODS
from cxrshort.datasets.building import settings as build_settings
from cxrshort.datasets.catalogue import sections
from cxrshort.models import ARCHITECTURES
from cxrshort.results import Listing, Result, Table
from cxrshort.training import DISTILLATIONS, recipes
from cxrshort.training import METHODS as TRAINING_METHODS
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
    assert listed(listings.list_distillations()) == {"methods": list(DISTILLATIONS)}


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
    documents = [listings.list_recipes().document, listings.list_distillation_recipes().document]
    trained, distilled = (list(document["recipes"]) for document in documents)
    assert sorted([*trained, *distilled]) == recipes.names() and not {*trained} & {*distilled}
    assert {recipes.published(name).method for name in distilled} <= set(DISTILLATIONS)
    for document in documents:
        assert document["schema"] == "cxrshort.recipes/1"
        for name, recipe in document["recipes"].items():
            assert recipe["source"] and recipe["values"] == recipes.published(name).record() | {
                "name": recipe["values"]["name"]
            }


def test_recipes_of_distillations_say_what_differs_from_their_own_standard() -> None:
    text = [str(getattr(line, "text", "")) for line in listings.list_distillation_recipes().tables]
    assert text[0] == "distillation"
    values = text[text.index("tea2025-waterbirds") + 2]
    assert values.startswith("epochs 400, batch_size 100, ") and "method" not in values and "clip_norm" not in values


def test_settings_of_distillations_leave_out_what_has_an_option_or_no_use() -> None:
    sections = listed(listings.list_distillation_settings("tea2025-mnist"))
    assert list(sections) == ["training", *(f"--method {name}" for name in DISTILLATIONS)]
    assert {"momentum", "clip_norm"} <= {*sections["training"]} and not {"compile", "combine"} & {*sections["training"]}
    assert {"epsilon", "explanation", "warm_up_epochs", "seed"} <= {*sections["--method tea"]}
    options = {"background", "init", "freeze_last", "output_bias", "co_train"}
    assert not [name for names in sections.values() for name in names if name in options]


def test_attribution_methods_and_their_settings_are_listed() -> None:
    assert listed(listings.list_attribution_methods()) == {"attribution methods": list(METHODS)}
    sections = listed(listings.list_attribution_settings())
    assert sections["--method expected-gradients"] == ["samples"] and "--method gradient" not in sections
