"""P-ClArC against the formula, scikit-learn, and a planted shortcut."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from cxrshort.errors import DataError, UsageError
from cxrshort.models.outputs import MULTILABEL
from cxrshort.stats.auc import auc
from cxrshort.training.cures.contract import CuredLayer, LastLayer, ReactiveLayer, ValidationFeatures
from cxrshort.training.cures.p_clarc import PClArC, PClArCSettings

from .features import nothing, shortcut_features


def cure(data: ValidationFeatures, layer: LastLayer, **settings: Any) -> CuredLayer:
    method = PClArC(PClArCSettings(**settings), task=MULTILABEL)
    method.check(data)
    return method.fit(data, layer, seed=0, progress=nothing)


def test_logits_are_those_of_projected_features() -> None:
    data, layer = shortcut_features()
    cured = cure(data, layer, within="none")
    present = data.groups[0] == "site-b"
    covariance = np.cov(np.c_[data.values, present].T)
    direction = covariance[:-1, -1] / covariance[-1, -1]
    direction /= np.linalg.norm(direction)
    clean = data.values[~present].mean(0)
    moved = data.values - np.outer((data.values - clean) @ direction, direction)
    np.testing.assert_allclose(cured.layer.logits(data.values), layer.logits(moved), atol=1e-10)
    np.testing.assert_allclose(cured.judged[0].scores, layer.logits(moved)[:, 0], atol=1e-10)


def test_direction_within_classes_is_the_coefficient_of_the_shortcut_beside_the_label() -> None:
    data, layer = shortcut_features()
    cured = cure(data, layer)
    present = (data.groups[0] == "site-b").astype(float)
    regression = LinearRegression().fit(np.c_[present, data.targets], data.values)
    direction = regression.coef_[:, 0]
    assert cured.record["length_of_pattern"] == pytest.approx(np.linalg.norm(direction))
    assert isinstance(cured.layer, LastLayer)
    along = cured.layer.weights @ (direction / np.linalg.norm(direction))
    np.testing.assert_allclose(along, 0, atol=1e-10)


def test_shortcut_no_longer_decides_and_the_disease_still_does() -> None:
    for seed in range(5):
        data, layer = shortcut_features(seed=seed)
        other, _ = shortcut_features(persons=2000, agreement=0.1, seed=99)
        layers = [layer, cure(data, layer).layer, cure(data, layer, within="none").layer]
        areas = [auc(other.targets[:, 0], some.logits(other.values)[:, 0]) for some in layers]
        assert all(area is not None for area in areas)
        before, within, plain = (area or 0.0 for area in areas)
        # Over all images the direction is that of the disease too, which goes with it.
        assert before < 0.5 and within > 0.85 and plain < 0.5, areas


def test_reactive_layer_projects_only_what_is_detected() -> None:
    data, layer = shortcut_features()
    everywhere, cured = cure(data, layer), cure(data, layer, reactive=True, detector_strength=1.0)
    reactive = cured.layer
    assert isinstance(reactive, ReactiveLayer)
    detected = reactive.detector.logits(data.values)[:, 0] > 0
    assert 0 < detected.sum() == cured.record["images_detected"] < len(detected)
    logits = reactive.logits(data.values)
    np.testing.assert_array_equal(logits[~detected], layer.logits(data.values)[~detected])
    np.testing.assert_array_equal(logits[detected], everywhere.layer.logits(data.values)[detected])
    assert 0.9 < cured.record["auc_of_detector"] <= 1 and "auc_of_detector" not in everywhere.record


def test_detector_of_noise_is_judged_at_chance() -> None:
    data, layer = shortcut_features()
    groups = [np.random.default_rng(5).permutation(data.groups[0])]
    record = cure(replace(data, groups=groups), layer, reactive=True, detector_strength=1.0).record
    assert 0.35 < record["auc_of_detector"] < 0.65


def test_masks_say_where_the_shortcut_is() -> None:
    data, layer = shortcut_features()
    present = data.groups[0] == "site-b"
    expected = cure(data, layer).layer
    actual = cure(replace(data, groups=(), present=present), layer, source="masks").layer
    np.testing.assert_array_equal(actual.logits(data.values), expected.logits(data.values))


def test_one_group_of_several_is_the_shortcut_and_empty_ones_are_left_out() -> None:
    data, layer = shortcut_features()
    groups = data.groups[0].copy()
    groups[::9] = ""
    groups[(groups == "site-a") & (np.arange(len(groups)) % 2 == 0)] = "site-c"
    named = replace(data, groups=[groups])
    with pytest.raises(UsageError) as caught:
        cure(named, layer)
    assert caught.value.message == "--group has 3 values among the val images, and 'p-clarc' needs two"
    with pytest.raises(UsageError) as caught:
        cure(named, layer, present="site-x")
    assert caught.value.message == "'site-x' is not a known group of the val images"
    cured = cure(named, layer, present="site-b")
    used = groups != ""
    assert cured.judged[0].rows.tolist() == np.flatnonzero(used).tolist()
    assert cured.record["images_without_group"] == (~used).sum()
    merged = np.where(groups == "site-c", "site-a", groups).astype(object)
    same = cure(replace(data, groups=[merged]), layer)
    np.testing.assert_array_equal(cured.layer.logits(data.values), same.layer.logits(data.values))


def test_empty_labels_have_their_mean() -> None:
    data, layer = shortcut_features()
    targets = data.targets.copy()
    targets[::2] = np.nan
    cured = cure(replace(data, targets=targets), layer)
    assert isinstance(cured.layer, LastLayer) and np.isfinite(cured.layer.weights).all()


def test_fold_without_a_direction_is_refused() -> None:
    data, layer = shortcut_features(agreement=1.0)
    with pytest.raises(DataError) as caught:
        cure(data, layer)
    assert caught.value.message == "labels and shortcut agree in all 400 val images, so their directions are one"
    cure(data, layer, within="none")
    everywhere = [np.full(400, "site-b", dtype=object)]
    with pytest.raises(DataError) as caught:
        cure(replace(data, groups=everywhere), layer, present="site-b")
    assert caught.value.message == "0 val persons are without the shortcut, 'p-clarc' needs 2"
    with pytest.raises(UsageError) as refused:
        cure(replace(data, groups=()), layer)
    assert refused.value.message == "'p-clarc' needs groups, or masks"
    blind = replace(data, values=np.ones_like(data.values))
    with pytest.raises(DataError) as caught:
        cure(blind, layer, within="none")
    assert caught.value.message == "no feature varies with the shortcut, so the model does not see it"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "maps"}, "'maps' is not a known source of p-clarc"),
        ({"within": "sex"}, "'sex' is not a known way of p-clarc to take covariances"),
        ({"detector_strength": 0.0}, "the detector_strength of p-clarc is '0.0', it must be above 0"),
        ({"source": "masks", "present": "AP"}, "present names a group, and source=masks has none"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        PClArCSettings(**settings)  # type: ignore[arg-type]
    assert caught.value.message == message
