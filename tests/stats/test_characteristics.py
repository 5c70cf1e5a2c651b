"""The table of characteristics: exact numbers, nothing missing left out, one way to print it."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.columns import LABELS
from cxrshort.errors import UsageError
from cxrshort.stats.characteristics import (
    characteristics,
    characteristics_header,
    characteristics_rows,
    labels_without_values,
)

NONE = float("nan")


def manifest() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "repository": ["nih", "nih", "nih", "github", "github", "github", "github"],
            "patient_id": ["n1", "n1", "n2", "g1", "g2", "g3", "g3"],
            "person_id": ["n1", "n1", "n2", "g1", "g1", "g3", "g3"],
            "view": ["AP", "PA", "PA", "AP", "", "UNKNOWN", "AP"],
            "sex": ["F", "F", "M", "", "M", "M", "M"],
            "age_years": [40.0, 41.0, 80.0, NONE, 30.5, NONE, 55.25],
            "manufacturer": ["GE", "GE", "Philips", "A", "B", "C", "D"],
            "Pneumonia": [1.0, 0.0, NONE, 0.5, NONE, NONE, NONE],
            "COVID-19": [0.0, 0.0, 0.0, 1.0, 1.0, NONE, 0.25],
        }
    )


def number(table, characteristic, item, repository, group, *names):
    row = table[
        (table["characteristic"] == characteristic)
        & (table["item"] == item)
        & (table["repository"] == repository)
        & (table["class"] == group)
    ]
    assert len(row) == 1
    return row.iloc[0][list(names or ("count", "of"))].tolist()


def test_characteristics_lists_the_classes_of_each_repository():
    table = characteristics(manifest())
    assert table[["repository", "class"]].drop_duplicates().values.tolist() == [
        ["github", "positive"],
        ["github", "soft label"],
        ["github", "not labelled"],
        ["nih", "negative"],
        ["total", ""],
    ]


def test_characteristics_counts():
    table = characteristics(manifest())
    assert number(table, "images", "", "nih", "negative")[0] == 3
    assert number(table, "patients", "", "nih", "negative")[0] == 2
    assert number(table, "patients", "", "github", "positive")[0] == 2
    assert number(table, "persons", "", "github", "positive")[0] == 1
    assert number(table, "persons", "", "total", "")[0] == 4
    assert number(table, "view", "PA", "nih", "negative") == [2, 3]
    assert number(table, "view", "PA", "github", "positive") == [0, 2]
    assert number(table, "view", "missing", "github", "positive") == [1, 2]
    assert number(table, "sex", "missing", "total", "") == [1, 7]
    assert number(table, "Pneumonia", "positive", "nih", "negative") == [1, 2]
    assert number(table, "Pneumonia", "not labelled", "nih", "negative") == [1, 3]
    assert number(table, "Pneumonia", "soft label", "github", "positive") == [1, 1]
    assert number(table, "COVID-19", "positive", "total", "") == [2, 6]
    assert pd.isna(number(table, "images", "", "total", "")[1])


def test_characteristics_has_exact_ages():
    table = characteristics(manifest())
    names = ("count", "median", "low", "high")
    assert number(table, "age_years", "median", "nih", "negative", *names) == [3, 41, 40.5, 60.5]
    assert number(table, "age_years", "median", "total", "", *names) == [5, 41, 40, 55.25]
    assert number(table, "age_years", "missing", "github", "positive") == [1, 2]


def test_characteristics_orders_views_and_takes_rare_manufacturers_together():
    table = characteristics(manifest())
    items = table[table["repository"] == "total"].groupby("characteristic", sort=False)["item"].agg(list)
    assert items["view"] == ["PA", "AP", "UNKNOWN", "missing"]
    assert items["sex"] == ["M", "F", "missing"]
    assert items["manufacturer"] == ["GE", "A", "B", "C", "D", "other"]
    assert number(table, "manufacturer", "other", "nih", "negative") == [1, 3]


def test_characteristics_adds_up():
    rng = np.random.default_rng(0)
    count = 500
    table = pd.DataFrame(
        {
            "repository": rng.choice(["a", "b", "c"], count),
            "patient_id": rng.integers(0, 90, count).astype(str),
            "person_id": rng.integers(0, 80, count).astype(str),
            "view": rng.choice(["PA", "AP", ""], count),
            "sex": rng.choice(["M", "F", ""], count),
            "manufacturer": rng.choice(list("abcdefgh") + [""], count),
            "COVID-19": rng.choice([0.0, 1.0, 0.5, NONE], count),
        }
    )
    actual = characteristics(table)
    parts = actual[actual["repository"] != "total"].groupby(["characteristic", "item"], sort=False)["count"].sum()
    whole = actual[actual["repository"] == "total"].set_index(["characteristic", "item"])["count"]
    added = [key for key in whole.index if key[0] not in ("patients", "persons")]
    assert parts[added].tolist() == whole[added].tolist()
    for name in ("view", "sex", "manufacturer"):
        assert whole[name].sum() == count
    crossed = pd.crosstab(table["repository"], table["view"])
    views = actual[actual["characteristic"] == "view"].groupby(["repository", "item"])["count"].sum()
    assert views["b", "AP"] == crossed.loc["b", "AP"]


def test_characteristics_divides_by_another_label():
    table = characteristics(manifest(), "Pneumonia", labels=[])
    assert set(table["class"]) == {"positive", "negative", "soft label", "not labelled", ""}
    assert set(table["characteristic"]) & set(LABELS) == {"Pneumonia"}


def test_characteristics_leaves_out_columns_that_the_manifest_lacks():
    few = manifest()[["repository", "patient_id", "person_id", "COVID-19"]]
    assert set(characteristics(few)["characteristic"]) == {"images", "patients", "persons", "COVID-19"}


def test_characteristics_of_labels_read_as_masked_integers():
    masked = manifest().assign(**{"COVID-19": pd.array([0, 0, 0, 1, 1, None, 0], dtype="Int64")})
    table = characteristics(masked)
    assert number(table, "images", "", "github", "not labelled")[0] == 1
    assert number(table, "COVID-19", "positive", "total", "") == [2, 6]


def test_characteristics_refuses_an_unknown_label():
    with pytest.raises(UsageError, match="^'Pneumonai' is not a known label$"):
        characteristics(manifest(), "Pneumonai")


def test_characteristics_does_not_change_the_manifest():
    table = manifest()
    characteristics(table)
    pd.testing.assert_frame_equal(table, manifest())


def test_characteristics_rows_are_cells_of_text():
    table = characteristics(manifest())
    assert characteristics_header(table) == [
        "",
        "github, positive",
        "github, soft label",
        "github, not labelled",
        "nih, negative",
        "total",
    ]
    assert characteristics_rows(table) == [
        ["images", "2", "1", "1", "3", "7"],
        ["patients", "2", "1", "1", "2", "5"],
        ["persons", "1", "1", "1", "2", "4"],
        ["view PA", "0 (0.0 %)", "0 (0.0 %)", "0 (0.0 %)", "2 (66.7 %)", "2 (28.6 %)"],
        ["view AP", "1 (50.0 %)", "1 (100.0 %)", "0 (0.0 %)", "1 (33.3 %)", "3 (42.9 %)"],
        ["view UNKNOWN", "0 (0.0 %)", "0 (0.0 %)", "1 (100.0 %)", "0 (0.0 %)", "1 (14.3 %)"],
        ["view missing", "1 (50.0 %)", "0 (0.0 %)", "0 (0.0 %)", "0 (0.0 %)", "1 (14.3 %)"],
        ["sex M", "1 (50.0 %)", "1 (100.0 %)", "1 (100.0 %)", "1 (33.3 %)", "4 (57.1 %)"],
        ["sex F", "0 (0.0 %)", "0 (0.0 %)", "0 (0.0 %)", "2 (66.7 %)", "2 (28.6 %)"],
        ["sex missing", "1 (50.0 %)", "0 (0.0 %)", "0 (0.0 %)", "0 (0.0 %)", "1 (14.3 %)"],
        ["age, years: median [quartiles]"]
        + ["30.5 [30.5, 30.5]", "55.2 [55.2, 55.2]", "-", "41 [40.5, 60.5]", "41 [40, 55.2]"],
        ["age missing", "1 (50.0 %)", "0 (0.0 %)", "1 (100.0 %)", "0 (0.0 %)", "2 (28.6 %)"],
        ["manufacturer GE", "0 (0.0 %)", "0 (0.0 %)", "0 (0.0 %)", "2 (66.7 %)", "2 (28.6 %)"],
        ["manufacturer A", "1 (50.0 %)", "0 (0.0 %)", "0 (0.0 %)", "0 (0.0 %)", "1 (14.3 %)"],
        ["manufacturer B", "1 (50.0 %)", "0 (0.0 %)", "0 (0.0 %)", "0 (0.0 %)", "1 (14.3 %)"],
        ["manufacturer C", "0 (0.0 %)", "0 (0.0 %)", "1 (100.0 %)", "0 (0.0 %)", "1 (14.3 %)"],
        ["manufacturer D", "0 (0.0 %)", "1 (100.0 %)", "0 (0.0 %)", "0 (0.0 %)", "1 (14.3 %)"],
        ["manufacturer other", "0 (0.0 %)", "0 (0.0 %)", "0 (0.0 %)", "1 (33.3 %)", "1 (14.3 %)"],
        ["Pneumonia", "0 (0.0 %)", "-", "-", "1 (50.0 %)", "1 (33.3 %)"],
        ["Pneumonia soft label", "1 (100.0 %)", "0", "0", "0", "1 (33.3 %)"],
        ["Pneumonia not labelled", "1 (50.0 %)", "1 (100.0 %)", "1 (100.0 %)", "1 (33.3 %)", "4 (57.1 %)"],
        ["COVID-19", "2 (100.0 %)", "0 (0.0 %)", "-", "0 (0.0 %)", "2 (33.3 %)"],
        ["COVID-19 soft label", "0", "1 (100.0 %)", "0", "0", "1 (16.7 %)"],
        ["COVID-19 not labelled", "0 (0.0 %)", "0 (0.0 %)", "1 (100.0 %)", "0 (0.0 %)", "1 (14.3 %)"],
    ]


def test_labels_that_no_image_has_are_no_rows_but_listed():
    table = characteristics(manifest().assign(Hernia=NONE, Mass=NONE))
    assert labels_without_values(table) == ["Hernia", "Mass"]
    assert characteristics_rows(table) == characteristics_rows(characteristics(manifest()))
    assert number(table, "Hernia", "not labelled", "total", "") == [7, 7]


def test_characteristics_rows_write_thousands():
    many = pd.concat([manifest()] * 1000, ignore_index=True)
    assert characteristics_rows(characteristics(many))[0] == ["images", "2,000", "1,000", "1,000", "3,000", "7,000"]


def test_rows_print_a_dash_where_no_image_has_an_age():
    table = characteristics(manifest().assign(age_years=NONE))
    [ages] = [line for line in characteristics_rows(table) if line[0].startswith("age, years")]
    assert set(ages[1:]) == {"-"}
    as_read_from_json = table.astype(object).where(table.notna(), None)
    [ages] = [line for line in characteristics_rows(as_read_from_json) if line[0].startswith("age, years")]
    assert set(ages[1:]) == {"-"}
