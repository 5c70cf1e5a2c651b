"""Objectives from the words of the command line."""

import pytest

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.contract import make_objective


def test_settings_are_read_as_the_type_of_their_default():
    objective = make_objective("gain", "mining=2, learn_weights=true,seed=3", task=Task())
    assert (objective.settings.mining, objective.settings.learn_weights, objective.settings.seed) == (2.0, True, 3)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("emr", "", "'emr' is not a known method"),
        ("irm", "wieght=3", "'wieght' is not a known setting of irm"),
        ("irm", "weight", "--set 'weight' is not of the form name=value"),
        ("irm", "weight=much", "--set weight=much: it must be a number"),
        ("irm", "plain_epochs=1.5", "--set plain_epochs=1.5: it must be a whole number"),
        ("gain", "learn_weights=1", "--set learn_weights=1: it must be true or false"),
        ("irm", "weight=-1", "the weight of irm is '-1.0', it must not be below 0"),
    ],
)
def test_make_objective_refuses(name, settings, message):
    with pytest.raises(UsageError) as caught:
        make_objective(name, settings, task=Task())
    assert caught.value.message == message
