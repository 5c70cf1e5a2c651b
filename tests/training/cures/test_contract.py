"""The contract of all cures."""

import dataclasses

import numpy as np
import pytest

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training import CURES
from cxrshort.training.cures.contract import LastLayer, ReactiveLayer, make_cure

from .features import nothing, shortcut_features


@pytest.mark.parametrize("name", CURES)
def test_every_cure_returns_a_layer_and_what_it_may_be_judged_on(name: str) -> None:
    data, layer = shortcut_features(persons=200)
    cure = make_cure(name, "", task=Task())
    cure.check(data)
    told: list[tuple[int, int]] = []
    cured = cure.fit(data, layer, seed=0, progress=lambda done, count: told.append((done, count)))
    assert told == [(0, 1)] and cure.name == name and dataclasses.is_dataclass(cure.Settings)
    assert isinstance(cured.layer, LastLayer)
    assert cured.layer.weights.shape == layer.weights.shape and cured.layer.biases.shape == layer.biases.shape
    assert not np.allclose(cured.layer.weights, layer.weights)
    (judged,) = cured.judged
    assert len(judged.rows) == len(judged.groups) == len(judged.scores) <= 200
    again = cure.fit(data, layer, seed=0, progress=nothing)
    assert isinstance(again.layer, LastLayer)
    np.testing.assert_array_equal(again.layer.weights, cured.layer.weights)


def test_reactive_layer_chooses_by_the_detector() -> None:
    one, two = LastLayer(np.ones((1, 2)), np.zeros(1)), LastLayer(-np.ones((1, 2)), np.ones(1))
    layer = ReactiveLayer(one, two, LastLayer(np.array([[1.0, 0.0]]), np.array([-1.0])))
    np.testing.assert_array_equal(layer.logits(np.array([[0.0, 3.0], [2.0, 3.0]])), [[3.0], [-4.0]])


@pytest.mark.parametrize(
    ("name", "settings", "task", "message"),
    [
        ("dro", "", "multilabel", "'dro' is not a known method"),
        ("dfr", "refits=x", "multilabel", "--set refits is 'x', it must be a whole number"),
        ("dfr", "epochs=3", "multilabel", "'epochs' is not a setting of dfr"),
        ("dfr", "", "multiclass", "'dfr' changes models of multilabel outputs, and these are multiclass"),
        ("p-clarc", "", "regression",
         "'p-clarc' changes models of multilabel or multiclass outputs, and these are regression"),
    ],
)  # fmt: skip
def test_make_cure_refuses(name: str, settings: str, task: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_cure(name, settings, task=Task(task))
    assert caught.value.message == message
