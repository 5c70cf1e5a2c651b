"""Probes of pixels: the closed form against scikit-learn, and honesty where nothing is seen."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from cxrshort.stats.detectability import RIDGE, detectability, fold_features


def test_predictions_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    features, targets, folds = rng.normal(3, 2, (60, 5)), rng.normal(size=(60, 2)), np.arange(60) % 3
    features[:, 4] = 1.0  # constant
    actual = fold_features(features, folds).predict(targets)
    for fold in range(3):
        inside = folds == fold
        scaler = StandardScaler().fit(features[~inside])
        model = Ridge(alpha=RIDGE * (~inside).sum()).fit(scaler.transform(features[~inside]), targets[~inside])
        np.testing.assert_allclose(actual[inside], model.predict(scaler.transform(features[inside])), atol=1e-10)


def drawn(rng, kind, *, persons=150, columns=15):
    """Return features that hold the label but not the attribute, and the attribute."""
    targets = (rng.random(persons) < 0.4).astype(float)
    features = rng.normal(size=(persons, columns))
    features[:, :3] += targets[:, None]
    numbers = rng.normal(size=persons) if kind == "number" else None
    if numbers is not None:
        levels = np.searchsorted(np.quantile(numbers, [0.2, 0.4, 0.6, 0.8]), numbers, side="right")
    elif kind == "confounded":
        levels = (rng.random(persons) < np.where(targets == 1, 0.85, 0.15)).astype(int)
    else:
        levels = rng.choice(3, persons, p=[0.6, 0.3, 0.1])
    return fold_features(features, rng.permutation(persons) % 5), levels, targets, numbers


@pytest.mark.parametrize("kind", ["category", "number", "confounded"])
def test_nothing_is_detected_where_pixels_hold_the_label_alone(kind: str) -> None:
    """5 % of 150 with a standard error of 1.8 points; three allowed. Also where attribute and label go together."""
    rng = np.random.default_rng(1)
    detected = []
    for _ in range(150):
        features, levels, targets, numbers = drawn(rng, kind)
        detected.append(detectability(features, levels, targets, rng=rng, numbers=numbers))
    information = [attribute.information for attribute in detected]
    assert all(attribute.within for attribute in detected)
    assert np.mean([info.p <= 0.05 for info in information]) <= 0.05 + 0.054
    assert np.mean([info.value for info in information]) == pytest.approx(0, abs=0.01)
    assert np.mean([info.low <= 0 <= info.high for info in information]) >= 0.93


def test_what_is_planted_in_the_pixels_is_detected() -> None:
    rng = np.random.default_rng(2)
    targets, levels = (rng.random(300) < 0.4).astype(float), rng.choice(3, 300, p=[0.5, 0.3, 0.2])
    features = fold_features(np.eye(3)[levels] + 0.2 * rng.normal(size=(300, 3)), np.arange(300) % 5)
    seen = detectability(features, levels, targets, rng=rng).information
    assert seen.value > 0.8 and seen.low > 0.7 and seen.p < 1e-6
    ages = rng.uniform(20, 90, 300)
    fifths = np.searchsorted(np.quantile(ages, [0.2, 0.4, 0.6, 0.8]), ages, side="right")
    features = fold_features(ages[:, None] + rng.normal(0, 3, (300, 1)), np.arange(300) % 5)
    seen = detectability(features, fifths, targets, rng=rng, numbers=ages).information
    assert seen.value > 0.6 and seen.p < 1e-6


def test_attribute_that_is_the_label_is_judged_on_all_images() -> None:
    rng = np.random.default_rng(3)
    targets = (rng.random(200) < 0.5).astype(float)
    features = fold_features(targets[:, None] + 0.1 * rng.normal(size=(200, 2)), np.arange(200) % 5)
    seen = detectability(features, targets.astype(int), targets, rng=rng)
    assert not seen.within and seen.information.value == pytest.approx(1)


def test_attribute_of_one_value_has_a_reason() -> None:
    features = fold_features(np.random.default_rng(4).normal(size=(20, 2)), np.arange(20) % 5)
    seen = detectability(features, np.zeros(20, int), np.tile([0.0, 1.0], 10), rng=np.random.default_rng(0))
    assert (seen.information.value, seen.information.reason) == (None, "only one value")


def test_same_seed_gives_the_same_numbers() -> None:
    features, levels, targets, _ = drawn(np.random.default_rng(5), "category")
    first, second = (detectability(features, levels, targets, rng=np.random.default_rng(0)) for _ in range(2))
    assert first == second
