"""Pairs between which a finding appears: order, distance in time, one for each person."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.follow_ups import FollowUps, find_follow_ups


def images(*rows: tuple[str, str, str, float], **columns: object) -> tuple[pd.DataFrame, np.ndarray]:
    """Return images of (name, person, date, finding)."""
    table = pd.DataFrame(rows, columns=["image_id", "person_id", "study_date", "finding"])
    return table.assign(**columns), table["finding"].to_numpy()


def pairs(part: tuple[pd.DataFrame, np.ndarray], seed: int = 0, **options: object) -> FollowUps:
    return find_follow_ups(*part, rng=np.random.default_rng(seed), **options)


def places(pairs: FollowUps) -> list[tuple[int, int]]:
    return list(zip(pairs.earlier.tolist(), pairs.later.tolist(), strict=True))


def test_finding_must_be_absent_before_and_present_within_two_years() -> None:
    part = images(
        ("a1", "a", "2020-01-01", 0), ("a2", "a", "2021-12-31", 1),  # 730 days
        ("b1", "b", "2020-01-01", 0), ("b2", "b", "2022-01-01", 1),  # 731 days
        ("c1", "c", "2020-01-01", 1), ("c2", "c", "2020-02-01", 0),  # it goes
        ("d1", "d", "2020-01-01", np.nan), ("d2", "d", "2020-02-01", 1),  # nobody knows
        ("e1", "e", "2020-01-01", 0), ("f2", "f", "2020-02-01", 1),  # two persons
    )  # fmt: skip
    assert places(pairs(part)) == [(0, 1)]
    assert places(pairs(part, within_days=731)) == [(0, 1), (2, 3)]
    assert places(pairs(part, within_days=729)) == []


def test_order_of_rows_does_not_matter_but_dates_do() -> None:
    part = images(("a2", "a", "2020-03-01", 1), ("a1", "a", "2020-01-01", 0))
    assert places(pairs(part)) == [(1, 0)]
    same_day = images(("a1", "a", "2020-01-01", 0), ("a2", "a", "2020-01-01", 1))
    assert places(pairs(same_day)) == []


def test_dates_that_are_known_in_part_must_leave_no_doubt() -> None:
    assert places(pairs(images(("a1", "a", "2020", 0), ("a2", "a", "2020-06-01", 1)))) == []
    assert places(pairs(images(("a1", "a", "2020-01", 0), ("a2", "a", "2020-06-01", 1)))) == [(0, 1)]
    assert places(pairs(images(("a1", "a", "2020", 0), ("a2", "a", "2022-01", 1)))) == []


def test_one_pair_of_a_person_is_drawn_and_preferred_originals_come_first() -> None:
    rows = [(f"a{day}", "a", f"2020-01-0{day}", float(day > 3)) for day in range(1, 7)]
    drawn = {places(pairs(images(*rows), seed))[0] for seed in range(40)}
    assert len(drawn) == 9 and pairs(images(*rows)).eligible == 9
    chosen = {places(pairs(images(*rows), seed, preferred={"a2"}))[0][0] for seed in range(10)}
    assert chosen == {1}
    assert places(pairs(images(*rows), 3)) == places(pairs(images(*rows), 3))


def test_ages_and_names_stand_for_dates_that_are_missing() -> None:
    rows = [
        ("p/00_002.png", "p", "", 1.0),
        ("p/00_000.png", "p", "", 0.0),
        ("q_1", "q", "", 0.0),
        ("q_2", "q", "", 1.0),
    ]
    aged = pairs(images(*rows, age_years=[60, 60, 50, 53]))
    assert places(aged) == [(1, 0)] and aged.by_age.tolist() == [True]
    assert places(pairs(images(*rows, age_years=[60, 60, 50, 52]))) == [(1, 0), (2, 3)]
    assert places(pairs(images(*rows, age_years=[60, 61, 52, 50]))) == []
    assert places(pairs(images(*rows))) == []


def test_numbers_in_names_sort_by_size() -> None:
    rows = [("study10", "p", "", 1.0), ("study2", "p", "", 0.0)]
    assert places(pairs(images(*rows, age_years=60))) == [(1, 0)]


def test_two_images_of_one_examination_are_no_follow_up() -> None:
    rows = [("a_1", "a", "", 0.0), ("a_2", "a", "", 1.0)]
    assert places(pairs(images(*rows, age_years=60, study_id="s1"))) == []
    assert places(pairs(images(*rows, age_years=60, study_id=["s1", "s2"]))) == [(0, 1)]


def test_dates_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="column 'study_date' holds 'spring', not a date"):
        pairs(images(("a1", "a", "spring", 0), ("a2", "a", "summer", 1)))
