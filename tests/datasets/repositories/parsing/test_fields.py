"""Ages, sexes, dates and labels as the repositories write them."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.datasets.repositories.parsing.fields import (
    list_words,
    looks_day_first,
    read_ages,
    read_dates,
    read_labels,
    read_sexes,
)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("058Y", 58.0),
        ("58", 58.0),
        ("58.5", 58.5),
        ("011M", 11 / 12),
        ("001D", 1 / 365.25),
        ("026W", 26 * 7 / 365.25),
        ("006m", 0.5),
        ("120", 120.0),
        ("", np.nan),
        ("121Y", np.nan),
        ("-5", np.nan),
        ("65+", np.nan),
        ("9" * 10_000, np.nan),
    ],
)
def test_read_ages_converts_units(text, years):
    ages, _ = read_ages(pd.Series([text]))
    assert ages[0] == pytest.approx(years, nan_ok=True)


def test_read_ages_can_ignore_the_unit_as_papers_did():
    ages, _ = read_ages(pd.Series(["011M", "058Y", "411Y"]), unit="drop")
    assert list(ages[:2]) == [11.0, 58.0] and np.isnan(ages[2])


def test_read_ages_counts_what_it_empties():
    _, notes = read_ages(pd.Series(["411Y", "148Y", "58Y", "old", "old", ""]))
    assert notes == ["2 ages above 120 years emptied", "1 unreadable ages emptied: old (2)"]


def test_read_sexes_keeps_only_what_is_said():
    assert list(read_sexes(pd.Series(["M", "female", "O", ""]))) == ["M", "F", "", ""]


@pytest.mark.parametrize(
    ("male", "female"), [("m", "f"), ("Männlich", "WEIBLICH"), ("hombre", "mujer"), ("homme", "femme")]
)
def test_read_sexes_knows_the_words_of_other_languages(male, female):
    assert list(read_sexes(pd.Series([male, female]))) == ["M", "F"]


@pytest.mark.parametrize(
    ("text", "month_first", "day_first"),
    [
        ("03/04/2021", "2021-03-04", "2021-04-03"),
        ("31/12/2020", "", "2020-12-31"),
        ("12/31/2020", "2020-12-31", ""),
        ("31-12-2020", "", "2020-12-31"),
        ("01.02.2021", "2021-02-01", "2021-02-01"),
        ("31.12.20", "2020-12-31", "2020-12-31"),
        ("2021-04-03", "2021-04-03", "2021-04-03"),
        ("2021/04/03", "2021-04-03", "2021-04-03"),
    ],
)
def test_read_dates_takes_the_day_first_where_it_is_told(text, month_first, day_first):
    assert list(read_dates(pd.Series([text]))) == [month_first]
    assert list(read_dates(pd.Series([text]), day_first=True)) == [day_first]
    assert looks_day_first(text) is (month_first == "")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("January 22, 2020", "2020-01-22"),
        ("Mar 4, 2020", "2020-03-04"),
        ("12 March 2020", "2020-03-12"),
        ("2/29/2020", "2020-02-29"),
        ("11/27/19", "2019-11-27"),
        ("20140203", "2014-02-03"),
        ("20141399", ""),
        ("March 2003", "2003-03"),
        ("2017", "2017"),
        ("January 12", ""),
        ("?", ""),
        ("", ""),
    ],
)
def test_read_dates_keeps_as_much_as_is_known(text, date):
    assert list(read_dates(pd.Series([text]))) == [date]


def test_read_labels_leaves_undecided_labels_as_told():
    table = read_labels(pd.Series(["x", "y", "x"]), {"x": {"A": 1.0}, "y": {}}.__getitem__, ("A", "B"), otherwise=0.0)
    assert table.to_dict("list") == {"A": [1.0, 0.0, 1.0], "B": [0.0, 0.0, 0.0]}
    assert (table.dtypes == np.float32).all()


def test_list_words_shows_the_most_frequent():
    counts = {f"w{number:02d}": number for number in range(1, 13)} | {"": 50}
    assert list_words("odd words", counts) == (
        "13 odd words: empty (50), w12 (12), w11 (11), w10 (10), w09 (9), w08 (8), w07 (7), w06 (6), w05 (5), "
        "w04 (4), and 3 more"
    )
