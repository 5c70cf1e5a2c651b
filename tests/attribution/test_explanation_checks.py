"""Checks of each label's maps, and the caution beside what rests on them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.attribution.checks import MapCheck, MapChecks, MapMaker, check_maps
from cxrshort.attribution.explanation_checks import (
    caution_of,
    cautious_numbers,
    check_labels,
    check_notes,
    common_caution,
    curve_table,
    draw_checks,
    label_caution,
    titled,
    with_caution,
)

from ..training.tiny import png_signature
from .population import CPU, Population, job, population


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Population:
    return population(tmp_path_factory.mktemp("people"), labels=("COVID-19", "Edema"))


@pytest.fixture(scope="module")
def checks(people: Population) -> dict[str, MapChecks]:
    return check_labels(job(people, texts=("samples=4",)), ["COVID-19", "Edema"])


def failed(*names: str) -> MapChecks:
    outcomes = [MapCheck(name, False, f"{name} is 0") for name in names]
    return MapChecks(tuple(outcomes), pd.DataFrame(), images=12, left_out=0)


def test_each_label_is_checked_by_its_own_output_with_its_own_background(people: Population, checks) -> None:
    made = job(people, texts=("samples=4",))
    references = made.backgrounds[1].images(CPU.torch_device)
    maker = MapMaker(made.method, made.settings, references, made.seed, made.batch_size, output=1)
    alone = check_maps(
        made.classifier,
        made.pixels,
        rows=np.arange(24),  # fewer than the 30 that a sample takes
        persons=people.data.manifest["person_id"],
        maker=maker,
        compute=CPU,
        regions=made.regions,
    )
    assert checks["Edema"].summary() == alone.summary() != checks["COVID-19"].summary()
    assert [outcome.images for outcome in checks.values()] == [24, 24]
    (background,) = [check for check in alone.checks if check.name == "background"]
    assert background.numbers["largest_change_of_share"] == 0  # measured; the other background is of the same images


def test_curves_of_all_labels_are_one_table_and_a_figure_each(checks, tmp_path: Path) -> None:
    table = curve_table(checks)
    assert list(table.columns) == ["label", "check", "curve", "step", "steps", "layer", "value"]
    assert len(table) == sum(len(outcome.curves) for outcome in checks.values()) and set(table["label"]) == set(checks)
    drawn = draw_checks(checks, path_of=lambda name, label: tmp_path / f"{label}-{name}")
    assert [path.name for path in drawn] == ["COVID-19-sanity.png", "Edema-sanity.png"]
    assert all(png_signature(path) for path in drawn)


def test_labels_without_curves_have_no_figure(tmp_path: Path) -> None:
    nothing = {"Edema": failed("background")}
    assert draw_checks(nothing, path_of=lambda name, label: tmp_path / name) == [] and curve_table(nothing).empty


def test_failed_checks_are_said_with_the_label_and_beside_its_rows() -> None:
    checks = {"Edema": failed("background", "faithfulness"), "COVID-19": failed()}
    (background, _) = check_notes(checks)
    assert background == (
        "Edema: the maps fail the check of background, so that they depend on the images that serve as the background: "
        "background is 0"
    )
    table = pd.DataFrame({"label": ["Edema", "COVID-19"], "share": [0.5, 0.25]})
    cautious = with_caution(table, checks)
    assert list(cautious["caution"]) == ["maps fail background and faithfulness", ""]
    assert titled("Edema", caution_of(cautious)) == "Edema (caution: maps fail background and faithfulness)"


def test_caution_stands_among_numbers_and_names_labels_where_there_are_several() -> None:
    checks = {"Edema": failed("background"), "COVID-19": failed()}
    assert common_caution(checks) == "Edema: maps fail background" and label_caution(checks, "COVID-19") == ""
    assert common_caution({"Edema": failed("background")}) == label_caution(checks, "Edema") == "maps fail background"
    assert common_caution({}) == label_caution({}, "Edema") == common_caution({"Edema": failed()}) == ""
    assert cautious_numbers({"lungs": 0.1}, "maps fail background") == {"lungs": 0.1, "caution": "maps fail background"}
    assert cautious_numbers({}, "maps fail background") == {}  # there is nothing to be cautious of


def test_nothing_is_said_where_nothing_failed_or_was_checked() -> None:
    table = pd.DataFrame({"label": ["Edema"], "share": [0.5]})
    assert list(with_caution(table, {"Edema": failed()})) == list(with_caution(table, {})) == ["label", "share"]
    assert titled("Edema", caution_of(table)) == "Edema"
