"""Groups of columns: bands, pairs, and rows of no group."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.verbs.stats.groupings import GroupColumn, group_columns, parse_column, partitions
from cxrshort.verbs.stats.source import Source


def source(*columns: str) -> Source:
    return Source("t.csv", Path("t.csv"), columns)


CELLS = pd.DataFrame(
    {
        "sex": ["F", "F", "M", "M", "", "F"],
        "site": ["a", "a", "a", "b", "b", "b"],
        "age": ["19", "20", "64.5", "90", "", "20"],
    },
    dtype=object,
)


def names(part: object) -> list[str]:
    return [part.names[number] if number >= 0 else "" for number in part.numbers]


def test_values_are_groups_and_empty_cells_of_none() -> None:
    (sex,) = partitions(CELLS, [GroupColumn("sex")], pairs=True, table="t.csv")
    assert names(sex) == ["sex F", "sex F", "sex M", "sex M", "", "sex F"]
    assert list(sex.filled) == [True, True, True, True, False, True]


def test_number_at_an_edge_is_of_the_band_above() -> None:
    (age,) = partitions(CELLS, [GroupColumn("age", (20.0, 65.0))], pairs=True, table="t.csv")
    assert names(age) == ["age below 20", "age 20 to 65", "age 20 to 65", "age 65 and above", "", "age 20 to 65"]
    assert age.names == ("age below 20", "age 20 to 65", "age 65 and above")  # in their own order


def test_pairs_are_groups_unless_they_are_one_of_the_two() -> None:
    *_, pair = partitions(CELLS, [GroupColumn("sex"), GroupColumn("site")], pairs=True, table="t.csv")
    assert pair.title == "sex x site"
    assert pair.names == ("sex F, site a", "sex F, site b", "sex M, site a", "sex M, site b")
    same = CELLS.assign(ward=["x", "x", "y", "z", "", "x"])  # ward x is sex F
    *_, pair = partitions(same, [GroupColumn("sex"), GroupColumn("ward")], pairs=True, table="t.csv")
    assert pair.names == ()
    assert list(pair.filled) == [True, True, True, True, False, True]


def test_without_pairs_there_are_columns_alone() -> None:
    columns = [GroupColumn("sex"), GroupColumn("site")]
    assert [part.title for part in partitions(CELLS, columns, pairs=False, table="t.csv")] == ["sex", "site"]


def test_columns_are_the_usual_ones_that_the_table_has() -> None:
    columns = group_columns(source("view", "age_years", "logit.A"), [])
    assert columns == [GroupColumn("age_years", (20.0, 40.0, 60.0, 80.0)), GroupColumn("view")]


def test_columns_are_named_with_commas_and_bands_with_a_colon() -> None:
    table = source("sex", "site", "age", "a:b", "c,d")
    named = group_columns(table, ["sex, site", "age:40,60", "a:b", "c,d"])
    assert named == [
        GroupColumn("sex"), GroupColumn("site"), GroupColumn("age", (40.0, 60.0)), GroupColumn("a:b"),
        GroupColumn("c,d"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "kind", "message", "hint"),
    [
        (["sx"], DataError, "t.csv: there is no column 'sx'", "did you mean 'sex'?"),
        (["sex,sex"], UsageError, "--columns names 'sex' twice", "name each column once"),
        (
            ["age:60,40"],
            UsageError,
            'bands "age:60,40" are not cut at ascending numbers',
            "such as age_years:20,40,60,80",
        ),
        (["age:x"], UsageError, 'bands "age:x" are not cut at ascending numbers', "such as age_years:20,40,60,80"),
    ],
)
def test_columns_that_cannot_be_are_refused(chosen: list[str], kind: type, message: str, hint: str) -> None:
    with pytest.raises(kind) as caught:
        group_columns(source("sex", "age"), chosen)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_table_without_a_usual_column_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        group_columns(source("label", "score"), [])
    assert caught.value.message == "t.csv has none of the columns sex, age_years, view, repository, manufacturer"
    assert caught.value.hint == "name columns of groups by --columns: label, score"


def test_text_is_not_cut_and_many_values_are_no_groups() -> None:
    with pytest.raises(DataError, match="column 'sex' holds 'F', not a number"):
        list(partitions(CELLS, [GroupColumn("sex", (20.0,))], pairs=False, table="t.csv"))
    many = pd.DataFrame({"id": [str(number) for number in range(51)]})
    with pytest.raises(DataError) as caught:
        list(partitions(many, [GroupColumn("id")], pairs=False, table="t.csv"))
    assert caught.value.message == "t.csv: column 'id' has 51 values, and --columns takes at most 50"


def test_every_row_is_of_one_group_of_a_pair_at_most() -> None:
    rng = np.random.default_rng(0)
    cells = pd.DataFrame({name: rng.choice(["x", "y", "z", ""], 200) for name in "ab"}, dtype=object)
    *_, pair = partitions(cells, [GroupColumn("a"), GroupColumn("b")], pairs=True, table="t.csv")
    expected = [f"a {a}, b {b}" if a and b else "" for a, b in cells.itertuples(index=False)]
    assert names(pair) == expected
    assert parse_column("a", ["a"]) == GroupColumn("a")
