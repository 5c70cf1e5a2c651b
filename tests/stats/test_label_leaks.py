"""Columns that give a label away, and columns of noise, which must not be accused."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.stats.association import category_auc, number_auc
from cxrshort.stats.label_leaks import find_label_leaks

IMAGES = 600
TRUTH = (np.arange(IMAGES) % 3 == 0).astype(float)


def leaks(seed: int = 0, persons=None, truth=TRUTH, **columns) -> dict:
    cells = {name: pd.Series(np.asarray(values, dtype=object).astype(str)) for name, values in columns.items()}
    measured = find_label_leaks({"Mass": truth}, cells, persons=persons, rng=np.random.default_rng(seed))
    return {leak.column: leak for leak in measured}


@pytest.mark.parametrize(
    "column",
    [
        np.where(TRUTH == 1, "ICU", "ward"),
        np.where(TRUTH == 1, "2020-03-01", ""),
        np.where(TRUTH == 1, 40.5, 80.25) + np.arange(IMAGES) / 1000,
        np.where(TRUTH == 1, 50.0, 20.0) + np.random.default_rng(1).choice([-25, 25], IMAGES) * (TRUTH == 0),
    ],
    ids=["category", "empty cells", "falling number", "number in the middle"],
)
def test_column_that_knows_the_label_is_a_leak(column: np.ndarray) -> None:
    leak = leaks(column=column)["column"]
    assert (leak.verdict, leak.strength) == ("leak", 1.0)
    assert leak.low >= 0.5


def test_dates_are_numbers() -> None:
    rng = np.random.default_rng(0)
    years = np.where(TRUTH == 1, 2020, 2010)
    days = [f"{year}-{rng.integers(1, 13):02}-{rng.integers(1, 28):02}" for year in years]
    assert leaks(study_date=days)["study_date"].verdict == "leak"


@pytest.mark.parametrize("seed", range(10))
def test_noise_is_never_accused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    measured = leaks(
        seed,
        persons=np.arange(IMAGES) // 2,
        few=rng.choice(list("abc"), IMAGES),
        many=rng.choice([f"c{number}" for number in range(200)], IMAGES),
        forty=rng.choice([f"c{number}" for number in range(40)], IMAGES),
        unique=[f"file-{number}.png" for number in rng.permutation(IMAGES)],
        number=rng.normal(size=IMAGES),
        sparse=np.where(rng.random(IMAGES) < 0.9, "", "x"),
    )
    assert {leak.verdict for leak in measured.values()} <= {"no evidence", "not testable"}
    assert measured["forty"].strength < 0.5


def test_strength_is_that_of_the_association() -> None:
    rng = np.random.default_rng(3)
    column = np.where(rng.random(IMAGES) < 0.93, TRUTH, 1 - TRUTH).astype(int).astype(str)
    leak = leaks(5, sex=column)["sex"]
    expected = category_auc(TRUTH, column, rng=np.random.default_rng(5))
    assert leak.strength == pytest.approx(2 * expected.value - 1, abs=1e-12)
    assert (leak.low, leak.high) == pytest.approx((2 * expected.low - 1, 2 * expected.high - 1), abs=1e-12)
    assert leak.verdict == "suspicious"


def test_falling_number_has_limits_around_its_strength() -> None:
    rng = np.random.default_rng(4)
    numbers = -3.0 * TRUTH + rng.normal(size=IMAGES)
    leak = leaks(dose=numbers)["dose"]
    expected = number_auc(TRUTH, numbers)
    assert leak.strength == pytest.approx(1 - 2 * expected.value, abs=1e-12)
    assert (leak.low, leak.high) == pytest.approx((1 - 2 * expected.high, 1 - 2 * expected.low), abs=1e-12)
    assert leak.low < leak.strength < leak.high


@pytest.mark.parametrize(
    ("truth", "why"),
    [
        (np.zeros(IMAGES), "only negatives"),
        (np.ones(IMAGES), "only positives"),
        (np.full(IMAGES, np.nan), "no image has the label"),
    ],
)
def test_label_of_one_class_is_not_testable(truth: np.ndarray, why: str) -> None:
    leak = leaks(truth=truth, view=["PA", "AP"] * (IMAGES // 2))["view"]
    assert (leak.verdict, leak.why, leak.strength) == ("not testable", why, None)


def test_column_of_one_value_is_not_testable() -> None:
    assert leaks(view=["PA"] * IMAGES)["view"].why == "one value only"
    assert leaks(view=[""] * IMAGES)["view"].verdict == "not testable"


def test_strongest_stands_first() -> None:
    rng = np.random.default_rng(0)
    assert next(iter(leaks(noise=rng.choice(list("ab"), IMAGES), ward=np.where(TRUTH == 1, "a", "b")))) == "ward"
