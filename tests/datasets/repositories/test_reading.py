"""Parting candidates into rows and excluded."""

import pandas as pd

from cxrshort.columns import EXCLUDED_COLUMNS
from cxrshort.datasets.repositories.reading import Located, ReadOptions, Refusal, make_reading

CANDIDATES = pd.DataFrame(
    {"image_id": ["a", "b", "c", "a2"], "patient_id": ["1", "2", "", "3"], "view": ["PA", "LATERAL", "PA", "PA"]}
)


def settle_paths(paths, *, outside=(), missing=(), refusals=(), options=None):
    series = pd.Series(paths)
    flags = [pd.Series(series.index.isin(flags), index=series.index) for flags in (outside, missing)]
    return make_reading(
        CANDIDATES, Located(series, *flags), repository="zoo", options=options or ReadOptions(), refusals=refusals
    )


def test_settle_takes_the_first_reason_that_applies():
    closed = Refusal(CANDIDATES["view"] == "LATERAL", "closed", CANDIDATES["view"])
    reading = settle_paths(["a", "b", "c", "d"], outside=[0], missing=[1, 3], refusals=[closed])
    assert reading.rows.empty
    assert reading.excluded.to_dict("split")["data"] == [
        ["a", "zoo:1", "path leaves root", ""],
        ["b", "zoo:2", "closed", "LATERAL"],
        ["c", "", "no patient", ""],
        ["d", "zoo:3", "missing file", ""],
    ]
    assert list(reading.excluded.columns) == list(EXCLUDED_COLUMNS)


def test_settle_keeps_one_row_of_a_file_and_joins_its_patients():
    reading = settle_paths(["x", "b", "c", "x"], options=ReadOptions(views=("PA", "LATERAL")))
    assert list(reading.rows["image_id"]) == ["zoo/a", "zoo/b"]
    assert reading.excluded["reason"].to_list() == ["no patient", "duplicate row"]
    assert reading.same_person == (("zoo:1", "zoo:3"),)


def test_settle_shortens_what_a_broken_file_holds():
    reading = settle_paths(["x" * 10_000_000, "b", "c", "d"], missing=[0])
    assert len(reading.excluded["path"][0]) == 1000


def test_settle_keeps_the_wanted_views():
    reading = settle_paths(["a", "b", "c", "d"], options=ReadOptions(views=("PA", "LATERAL")))
    assert list(reading.rows["view"]) == ["PA", "LATERAL", "PA"]
