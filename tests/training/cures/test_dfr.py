"""Deep feature reweighting against scikit-learn itself, and against a planted shortcut."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cxrshort.errors import DataError, UsageError
from cxrshort.models.outputs import MULTILABEL
from cxrshort.stats.auc import auc
from cxrshort.training.cures.contract import LastLayer, ValidationFeatures
from cxrshort.training.cures.dfr import DFR, DFRSettings, _l1

from .features import SHORTCUT, nothing, shortcut_features, worst_cell


def cure(data: ValidationFeatures, layer: LastLayer, seed: int = 0, **settings: object) -> tuple[LastLayer, dict]:  # type: ignore[type-arg]
    cured = DFR(DFRSettings(**settings), task=MULTILABEL).fit(data, layer, seed=seed, progress=nothing)  # type: ignore[arg-type]
    assert isinstance(cured.layer, LastLayer)
    return cured.layer, {**cured.record, "judged": cured.judged, "notes": cured.notes}


def balanced(data: ValidationFeatures) -> ValidationFeatures:
    """Return as many persons of every cell, so that each balanced subset is all of them."""
    cells = [(group, value) for group in ("site-a", "site-b") for value in (0, 1)]
    members = [np.flatnonzero((data.groups[0] == group) & (data.targets[:, 0] == value)) for group, value in cells]
    rows = np.sort(np.concatenate([rows[: min(map(len, members))] for rows in members]))
    return replace(
        data, values=data.values[rows], targets=data.targets[rows], persons=data.persons[rows],
        groups=[data.groups[0][rows]],
    )  # fmt: skip


def test_logits_are_those_of_a_scikit_learn_pipeline() -> None:
    data, layer = shortcut_features(agreement=0.7)
    data = balanced(data)
    layer, record = cure(data, layer, refits=3, strengths="0.1")
    model = make_pipeline(StandardScaler(), LogisticRegression(**_l1(), C=0.1, solver="liblinear", random_state=0))
    expected = model.fit(data.values, data.targets[:, 0]).decision_function(data.values)
    np.testing.assert_allclose(layer.logits(data.values)[:, 0], expected, atol=1e-5)
    assert record["labels"]["COVID-19"]["fits_without_convergence"] == 0
    assert record["notes"] == ["probabilities are now those of a population with as many positives as negatives"]
    assert record["labels"]["COVID-19"]["features_used"] == np.count_nonzero(model[-1].coef_)


def test_average_is_that_of_fits_on_balanced_subsets() -> None:
    data, layer = shortcut_features()
    several, record = cure(data, layer, refits=8, strengths="1")
    single, _ = cure(data, layer, refits=1, strengths="1")
    smallest = min(record["labels"]["COVID-19"]["persons_by_cell"].values())
    assert smallest < 40 and set(record["labels"]["COVID-19"]["persons_by_cell"]) == {
        "site-a, 0", "site-a, 1", "site-b, 0", "site-b, 1",
    }  # fmt: skip
    assert not np.allclose(several.weights, single.weights)


def test_worst_cell_of_other_persons_is_served_where_the_shortcut_decided() -> None:
    other, _ = shortcut_features(persons=4000, agreement=0.5, seed=99)
    before, after = [], []
    for seed in range(5):
        data, layer = shortcut_features(seed=seed)
        before.append(worst_cell(layer, other))
        after.append(worst_cell(cure(data, layer, seed=seed)[0], other))
    assert max(before) < 0.35 and min(after) > 0.75, (before, after)


def test_deceiving_auc_rises() -> None:
    data, layer = shortcut_features()
    other, _ = shortcut_features(persons=2000, agreement=0.1, seed=99)
    areas = [auc(other.targets[:, 0], some.logits(other.values)[:, 0]) for some in (layer, cure(data, layer)[0])]
    assert areas[0] is not None and areas[1] is not None
    assert areas[0] < 0.5 and areas[1] > 0.85, areas


def test_strength_is_the_one_that_serves_the_held_out_half_best() -> None:
    data, layer = shortcut_features()
    for criterion, words in (("accuracy", "worst cell's accuracy"), ("auc", "worst group's auc")):
        _, record = cure(data, layer, criterion=criterion, refits=4)
        trials, chosen = record["labels"]["COVID-19"]["trials"], record["labels"]["COVID-19"]["strength"]
        assert list(trials) == ["1", "0.7", "0.3", "0.1", "0.07", "0.03", "0.01"]
        assert trials[f"{chosen:g}"] == max(trials.values())
        assert record["labels"]["COVID-19"]["criterion"] == words


def test_layer_is_judged_on_persons_that_the_judged_fit_never_saw() -> None:
    data, layer = shortcut_features()
    _, record = cure(data, layer, refits=2, strengths="1")
    judged = record["judged"][0]
    assert len(data.values) / 3 < len(judged.rows) < 2 * len(data.values) / 3
    # Other features of the judged persons are met by the same weights: what a unit vector in each of them reads off.
    width = data.values.shape[1]
    probes = data.values.copy()
    probes[judged.rows] = 0.0
    probes[judged.rows[:width]] = np.eye(width)
    _, probed = cure(replace(data, values=probes), layer, refits=2, strengths="1")
    scores = probed["judged"][0].scores
    bias = scores[width]
    expected = data.values[judged.rows] @ (scores[:width] - bias) + bias
    np.testing.assert_allclose(judged.scores, expected, atol=1e-9)


def test_each_label_has_a_fit_and_groups_of_its_own() -> None:
    data, layer = shortcut_features()
    targets = np.c_[data.targets, (np.arange(len(data.targets)) % 2)].astype(np.float32)
    targets[::7, 1] = np.nan
    both = replace(data, targets=targets, labels=("COVID-19", "Edema"), groups=[data.groups[0]] * 2)
    two, record = cure(both, layer, refits=2)
    one, _ = cure(data, layer, refits=2)
    assert two.weights.shape == (2, data.values.shape[1])
    np.testing.assert_array_equal(two.weights[0], one.weights[0])
    assert sum(record["labels"]["Edema"]["persons_by_cell"].values()) == np.isfinite(targets[:, 1]).sum()


def test_features_that_vary_by_rounding_alone_are_left_out() -> None:
    data, layer = shortcut_features()
    values = data.values.copy()
    values[:, 0] = 7 + 1e-7 * values[:, 1]
    fitted, _ = cure(replace(data, values=values), layer, refits=2)
    assert fitted.weights[0, 0] == 0 == fitted.weights[0, -1]
    assert np.abs(fitted.weights).max() < 100 and np.abs(fitted.weights[0, 1:SHORTCUT]).max() > 0


def test_fit_is_a_function_of_the_seed() -> None:
    data, layer = shortcut_features()
    first, again, other = (cure(data, layer, seed=seed, refits=2)[0].weights for seed in (3, 3, -4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"refits": 0}, "the refits of dfr are '0', they must be 1 or more"),
        ({"strengths": "1:x"}, "the strengths of dfr are '1:x', they must be numbers above 0 joined by colons"),
        ({"strengths": "0"}, "the strengths of dfr are '0', they must be numbers above 0 joined by colons"),
        ({"criterion": "f1"}, "'f1' is not a known criterion of dfr"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        DFRSettings(**settings)  # type: ignore[arg-type]
    assert caught.value.message == message


def test_fold_that_cannot_be_balanced_is_refused() -> None:
    data, _ = shortcut_features()
    method = DFR(task=MULTILABEL)
    method.check(data)
    with pytest.raises(UsageError) as caught:
        method.check(replace(data, groups=()))
    assert caught.value.message == "'dfr' needs groups"
    confounded, _ = shortcut_features(agreement=1.0)
    with pytest.raises(DataError) as refused:
        method.check(confounded)
    assert refused.value.message == (
        "group 'site-a' has 0 val persons with COVID-19 = 1, 'dfr' needs 2, and 1 more such cells"
    )
