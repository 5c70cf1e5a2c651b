"""Trainings of predictions: seeds pooled, and which ones a comparison is of."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError
from cxrshort.verbs.stats.scores import Scores
from cxrshort.verbs.stats.trainings import (
    choose_training,
    choose_two,
    list_trainings,
    parts_at_level,
    parts_of_training,
    pool_seeds,
)


def part(training: str, training_id: str, replicate: int = 0) -> Scores:
    facts = {"label": "Edema", "training": training, "training_id": training_id, "dataset_id": "d"}
    return Scores(facts | {"replicate": replicate}, np.zeros(1), np.zeros(1), None, pd.DataFrame(index=[0]))


MODELS = [part("erm (a)", "t/1"), part("erm (b)", "t/2"), part("erm (c)", "t/3", replicate=1)]


def test_seeds_are_numbered_within_a_replicate():
    pooled = pool_seeds([*MODELS, part("tea", "u")])
    assert [part.facts["training"] for part in pooled] == ["erm", "erm", "erm", "tea"]
    assert [part.facts.get("seed") for part in pooled] == [0, 1, 0, None]
    assert list_trainings(pooled) == ["erm", "tea"] and len(parts_of_training(pooled, "erm")) == 3


def test_models_are_taken_where_they_are_named_or_alone():
    parts = [*MODELS, part("tea", "u")]
    pooled = pool_seeds(parts)
    assert parts_at_level(None, None, pooled, parts) is pooled
    assert parts_at_level("erm", "tea", pooled, parts) is pooled
    assert parts_at_level("erm (a)", "tea", pooled, parts) is parts
    assert parts_at_level("erm (x)", None, pooled, parts) is pooled
    assert parts_at_level(None, None, pool_seeds(MODELS), MODELS) is MODELS


def test_choice_is_needed_where_there_are_several():
    assert choose_training(["a"], None, "--before", "t.csv") == "a"
    assert choose_two(["a", "b"], None, "a", "t.csv") == ("b", "a")
    for call, message in (
        (lambda: choose_training(["a", "b"], None, "--before", "t.csv"), "t.csv holds 2 trainings"),
        (lambda: choose_two(["a", "b", "c"], "a", None, "t.csv"), "t.csv holds 3 trainings"),
        (lambda: choose_two(["a"], None, None, "t.csv"), "t.csv: 'a' is its only training, and a comparison needs two"),
        (lambda: choose_two(["a", "b"], "x", None, "t.csv"), "t.csv: there is no training 'x'"),
    ):
        with pytest.raises(CxrshortError) as caught:
            call()
        assert caught.value.message == message
