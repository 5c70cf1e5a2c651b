"""What folds and datasets share, against counting by sets."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.leakage import (
    Cohort,
    crossing_pairs,
    follow_ups,
    paired_columns,
    read_days,
    share_between,
    share_within,
)


def cohort(name: str = "I", *, dates=None, **columns) -> Cohort:
    """Return a dataset; columns named split... are folds."""
    folds = {key: np.array(values) for key, values in columns.items() if key.startswith("split")}
    rows = {key: values for key, values in columns.items() if not key.startswith("split")}
    days = None if dates is None else read_days(dates, name="date")
    return Cohort(name, pd.DataFrame(rows), folds, days)


def random_cohort(name: str, seed: int, images: int = 400) -> Cohort:
    rng = np.random.default_rng(seed)
    persons = rng.choice(["", *(f"P{number}" for number in range(120))], images)
    folds = {f"split_{r}": rng.choice(["train", "val", "test", ""], images, p=[0.6, 0.1, 0.2, 0.1]) for r in range(2)}
    dates = np.where(rng.random(images) < 0.2, "", rng.integers(0, 40, images).astype(str))
    return cohort(name, person=persons, dates=dates, **folds)


@pytest.mark.parametrize("seed", range(5))
def test_share_within_agrees_with_sets(seed: int) -> None:
    data = random_cohort("I", seed)
    persons = data.rows["person"].to_numpy()
    expected = set()
    for column, folds in data.folds.items():
        members = {fold: set(persons[folds == fold]) - {""} for fold in ("train", "val", "test")}
        for first, second in combinations(members, 2):
            expected |= {(person, column, first, second) for person in members[first] & members[second]}
    shared = share_within(data, "person")
    assert set(shared.table[["id", "folds", "first", "second"]].itertuples(index=False, name=None)) == expected
    in_folds = np.logical_or.reduce([folds != "" for folds in data.folds.values()])
    assert shared.compared == len(set(persons[in_folds]) - {""})
    assert shared.count == shared.crossing == len({person for person, *_ in expected})


def test_share_within_counts_images_of_each_fold() -> None:
    data = cohort(person=["A", "A", "A", "B", ""], split=["train", "test", "test", "test", "train"])
    assert share_within(data, "person").table.to_dict("records") == [
        {"id": "A", "folds": "split", "first": "train", "second": "test", "images_first": 1, "images_second": 2}
        | {"crosses": True}
    ]


@pytest.mark.parametrize("seed", range(5))
def test_share_between_agrees_with_sets(seed: int) -> None:
    first, second = random_cohort("I", seed), random_cohort("II", seed + 100, images=150)
    persons = [data.rows["person"].to_numpy() for data in (first, second)]
    common = (set(persons[0]) & set(persons[1])) - {""}
    crossing = set()
    for column in first.folds:
        members = [
            {role: set(own[np.isin(data.folds[column], folds)]) for role, folds in ROLES.items()}
            for data, own in zip((first, second), persons, strict=True)
        ]
        crossing |= members[0]["development"] & members[1]["test"] | members[0]["test"] & members[1]["development"]
    shared = share_between(first, second, "person")
    assert set(shared.table["id"]) == common
    assert set(shared.table["id"][shared.table["crosses"]]) == crossing - {""}
    assert (shared.count, shared.crossing) == (len(common), len(crossing - {""}))
    assert shared.compared == len((set(persons[0]) | set(persons[1])) - {""})


ROLES = {"development": ("train", "val"), "test": ("test",)}


def test_tests_on_the_same_persons_do_not_cross() -> None:
    first = cohort(person=["A", "B"], split=["test", "train"])
    assert not share_between(first, cohort("II", person=["A"], split=["test"]), "person").table["crosses"].any()
    assert share_between(first, cohort("II", person=["A"], split=["train"]), "person").crossing == 1


def test_dataset_without_folds_may_be_either_side() -> None:
    first = cohort(person=["A", "B", "C"], split=["test", "train", ""])
    shared = share_between(first, cohort("II", person=["A", "B", "C"]), "person")
    assert dict(zip(shared.table["id"], shared.table["crosses"], strict=True)) == {"A": True, "B": True, "C": False}


def test_folds_of_unknown_names_may_be_either_side() -> None:
    first = cohort(person=["A"], split=["fold 3"])
    assert share_between(first, cohort("II", person=["A"], split=["Testing"]), "person").crossing == 1


def test_columns_of_folds_pair_by_name_or_all_with_all() -> None:
    both = cohort(person=["A"], split_0=["test"], split_1=["test"])
    assert paired_columns(both, both) == [("split_0", "split_0"), ("split_1", "split_1")]
    other = cohort("II", person=["A"], split=["test"])
    assert paired_columns(both, other) == [("split_0", "split"), ("split_1", "split")]
    assert paired_columns(both, cohort("II", person=["A"])) == [("split_0", "all rows"), ("split_1", "all rows")]


@pytest.mark.parametrize("seed", range(5))
def test_follow_ups_agree_with_every_pair_of_studies(seed: int) -> None:
    data = random_cohort("I", seed, images=250)
    persons, days = data.rows["person"].to_numpy(), data.dates[:, 0]
    expected: dict[tuple, float] = {}
    for column, folds in data.folds.items():
        for i, j in ((i, j) for i in range(len(persons)) for j in range(len(persons))):
            known = persons[i] and persons[i] == persons[j] and folds[i] and folds[j] and folds[i] != folds[j]
            if known and days[i] < days[j]:
                key = persons[i], column, folds[i], folds[j]
                expected[key] = max(expected.get(key, 0.0), days[j] - days[i])
    table = follow_ups([data], share_within(data, "person"))
    actual = {tuple(row[:4]): row[4] for row in table.itertuples(index=False, name=None)}
    assert actual == expected


def test_follow_ups_between_datasets_name_the_datasets() -> None:
    first = cohort(person=["A", "B"], dates=["2019-01-01", "2020"])
    second = cohort("II", person=["A", "B"], dates=["2019-01-31", "2020-05"])
    table = follow_ups([first, second], share_between(first, second, "person"))
    assert table.to_dict("records") == [{"id": "A", "folds": "", "earlier": "I", "later": "II", "days": 30.0}]


def test_studies_of_one_day_are_no_follow_up() -> None:
    data = cohort(person=["A", "A"], split=["train", "test"], dates=["2020-01-01", "2020-01-01"])
    assert follow_ups([data], share_within(data, "person")).empty
    undated = cohort(person=["A", "A"], split=["train", "test"])
    assert follow_ups([data, undated], share_within(data, "person")).empty


def test_read_days_leaves_out_what_it_cannot_read() -> None:
    days = read_days(["5", "?", "", "1e2"], name="offset")
    assert np.array_equal(days, [[5, 5], [np.nan] * 2, [np.nan] * 2, [100, 100]], equal_nan=True)
    dates = read_days(["2020-02-30", "2020-02", "2020"], name="date")
    assert np.isnan(dates[0]).all()
    assert (dates[1, 1] - dates[1, 0], dates[2, 1] - dates[2, 0]) == (28, 365)


def test_read_days_refuses_a_column_without_dates() -> None:
    with pytest.raises(DataError) as caught:
        read_days(["soon", "later"], name="visit")
    assert caught.value.message == "column 'visit' holds 'soon', not a date"


def test_crossing_pairs() -> None:
    first = cohort(person=list("ABC"), split=["train", "test", ""])
    pairs = np.array([[0, 1], [0, 2], [0, 0]])
    assert crossing_pairs(first, first, pairs).tolist() == [True, False, False]
    second = cohort("II", person=list("DE"), split=["test", "train"])
    rows = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]])
    assert crossing_pairs(first, second, rows).tolist() == [True, False, False, True, False]


def test_nothing_shared_is_an_empty_table() -> None:
    data = cohort(person=["A", "B", ""], split=["train", "test", "test"])
    shared = share_within(data, "person")
    assert (shared.count, shared.crossing, shared.compared) == (0, 0, 2)
    assert follow_ups([data], shared).empty
