"""What is read off maps: shares, signed sums, tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.attribution import measurements
from cxrshort.attribution.explained_regions import ExplainedRegions
from cxrshort.attribution.map_blocks import Maps
from cxrshort.attribution.measurements import (
    adding_up,
    check_logits,
    class_shares,
    driven_table,
    incomplete_maps,
    label_localisation,
    map_table,
    measure_maps,
    missing_shares,
    typical_error,
)
from cxrshort.attribution.method_settings import read_method
from cxrshort.errors import DataError
from cxrshort.regions import of

from .population import Population, population


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Population:
    return population(tmp_path_factory.mktemp("people"))


def test_sums_and_shares_are_those_of_the_pixels(people: Population, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurements, "_AT_ONCE", 5)  # several parts
    measured = measure_maps(people.maps, people.explained, people.regions)
    maps, place = people.maps.maps.astype(np.float64), people.regions.names.index("border_top")
    np.testing.assert_allclose(measured.contributions[:, place], maps[:, 0, 2:14].sum(axis=1), atol=1e-6)
    expected = np.abs(maps[:, 0, 2:14]).sum(axis=1) / np.abs(maps).sum(axis=(1, 2))
    np.testing.assert_allclose(measured.shares.shares[:, place], expected, rtol=1e-5)
    np.testing.assert_allclose(measured.sums, maps.sum(axis=(1, 2)), atol=1e-6)
    assert np.isnan(measured.contributions[:, people.regions.names.index("marker")]).all()


def test_table_has_what_the_method_has(people: Population) -> None:
    measured = measure_maps(people.maps, people.explained, people.regions)
    table = map_table(people.explained, people.maps, measured)
    assert list(table.columns[:9]) == [
        *("row", "image_id", "patient_id", "person_id", "repository", "label", "class", "target", "logit"),
    ]
    np.testing.assert_allclose(table["difference"], people.maps.logits + 1.25)
    np.testing.assert_allclose(table["error"], -0.25, atol=1e-5)
    assert adding_up(table) == {
        "difference": pytest.approx(table["difference"].abs().median()),
        "error": pytest.approx(0.25),
        "tolerance": 0.1,
        "maps": 24,
        "failed": int((~table["adds_up"]).sum()),
    }
    assert typical_error(table) == {"lungs": 0.01, "border": 0.01}
    nothing = np.full(len(table), np.nan)
    bare = map_table(
        people.explained, Maps(people.maps.maps, people.maps.logits, nothing, np.nan * people.maps.errors), measured
    )
    assert not {"sum", "difference", "error", "adds_up", "share_se.lungs"} & set(bare)
    assert adding_up(bare) == typical_error(bare) == {}


def test_maps_add_up_within_a_tenth_of_their_difference_or_of_the_median_one(people: Population) -> None:
    differences = np.full(24, 2.0)
    differences[:3] = 0, 4, 4
    errors = np.full(24, 0.19)
    errors[:6] = 0.19, 0.39, 0.41, -0.21, np.nan, 0.0  # the first by the median of 2, the next two by their own 4
    broken, sums = people.maps.maps.copy(), differences + errors
    broken[...] = (sums / 256)[:, None, None]
    maps = Maps(broken, differences - 1.25, np.full(24, -1.25), people.maps.errors)
    measured = measure_maps(maps, people.explained, people.regions)
    table = map_table(people.explained, maps, measured)
    assert list(table["adds_up"][:6]) == [True, True, False, False, False, True] and table["adds_up"][6:].all()
    assert adding_up(table)["failed"] == 3
    (note,) = incomplete_maps(table, read_method("integrated-gradients", ["steps=10"])[1])
    assert note == (
        "3 of 24 maps of COVID-19 miss the difference of logits that they must add up to by more than 10 % "
        "(adds_up in maps.csv): --set steps=40 makes maps more exact"
    )
    (note,) = incomplete_maps(table, read_method("expected-gradients")[1])
    assert note.endswith(": --set samples=800 makes maps more exact")
    assert (
        incomplete_maps(table.assign(adds_up=True), None) == incomplete_maps(table.drop(columns="adds_up"), None) == []
    )


def test_rounding_of_maps_without_a_difference_is_no_miss(people: Population) -> None:
    zero = np.zeros_like(people.maps.maps)
    maps = Maps(zero, np.full(24, 8.0) + 1e-6, np.full(24, 8.0), people.maps.errors)
    table = map_table(people.explained, maps, measure_maps(maps, people.explained, people.regions))
    assert table["adds_up"].all()


def test_shares_of_classes_and_most_driven_images(people: Population) -> None:
    measured = measure_maps(people.maps, people.explained, people.regions)
    shares = class_shares(people.explained, measured, seed=0).set_index(["class", "region"])
    assert shares.loc[("positive", "border_top"), "share"] > 0.5 > shares.loc[("negative", "border_top"), "share"]
    assert pd.isna(shares.loc[("positive", "marker"), "share"])
    driven = driven_table(people.explained, measured)
    assert set(driven["class"].head(12)) == {"positive"} and driven["share"].is_monotonic_decreasing


def test_outputs_that_are_no_numbers_are_counted(people: Population) -> None:
    logits = people.maps.logits.copy()
    logits[:3] = np.nan
    broken = Maps(people.maps.maps, logits, people.maps.starts, people.maps.errors)
    with pytest.raises(DataError) as caught:
        check_logits(broken, model="net", dataset="tiny")
    assert caught.value.message == "'net' returns no number for 3 of 24 images of tiny"
    check_logits(people.maps, model="net", dataset="tiny")


def test_maps_without_a_share_are_counted_by_label(people: Population) -> None:
    values = people.maps.maps.copy()
    values[:2], values[5, 0, 0] = 0, np.inf
    broken = Maps(values, people.maps.logits, people.maps.starts, people.maps.errors)
    measured = measure_maps(broken, people.explained, people.regions)
    assert missing_shares(people.explained, measured) == [
        "2 of 24 maps of COVID-19 are zero everywhere and have no share",
        "1 of 24 maps of COVID-19 are not finite and have no share",
    ]


def test_localisation_is_of_each_label_by_its_own_positives_and_outlines(tmp_path: Path) -> None:
    people = population(tmp_path, labels=("COVID-19", "Edema"))
    average = ExplainedRegions(of(people.data, average=True), of(people.data))
    assert label_localisation(people.maps, people.explained, average, seed=0).empty
    names = people.data.manifest["image_id"].unique()
    lines = [f"{name},{region},3,0,13,1" for name in names for region in ("COVID-19", "sticker")]
    (tmp_path / "regions.csv").write_text("\n".join(["image_id,region,x0,y0,x1,y1", *lines]) + "\n")
    (row,) = label_localisation(people.maps, people.explained, ExplainedRegions(of(people.data)), seed=0).to_dict(
        orient="records"
    )
    assert (row["label"], row["region"], row["area"]) == ("COVID-19", "COVID-19", 10 / 256)
    table = people.explained.table
    own = people.maps.maps[((table["label"] == "COVID-19") & (table["class"] == "positive")).to_numpy()].clip(0)
    assert row["mass"] == pytest.approx((own[:, 0, 3:13].sum(axis=1) / own.sum(axis=(1, 2))).mean(), rel=1e-5)
