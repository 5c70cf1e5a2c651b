"""Plans: generators, folds, and rows of the manifest."""

import numpy as np
import pytest

from cxrshort.datasets.benchmarks.plan import (
    Member,
    draw_other_class,
    fold_sizes,
    make_plan,
    spawn_generators,
    tabulate,
)
from cxrshort.errors import DataError, UsageError

LABELS = ("cat", "dog")


def members():
    return [
        Member(f"{label}{split}", f"{label}.png", label, split, "biased" if split == "test" else "majority", "red", "")
        for split in ("train", "val", "test")
        for label in LABELS
    ]


def test_seeded_streams_are_repeatable_and_different():
    first, second = (spawn_generators("zoo", confounder_strength=1, seed=3, streams=2) for _ in range(2))
    draws = [generator.integers(1 << 30) for generator in first]
    assert draws == [generator.integers(1 << 30) for generator in second]
    others = [
        spawn_generators(name, confounder_strength=1, seed=seed, streams=1)[0]
        for name, seed in (("zoo", 4), ("ark", 3))
    ]
    assert len({*draws, *(generator.integers(1 << 30) for generator in others)}) == 4


@pytest.mark.parametrize(
    ("strength", "seed", "message"),
    [
        (1.1, 0, "--set confounder_strength is '1.1'"),
        (-0.1, 0, "it must be from 0 to 1"),
        (1, -1, "seed '-1' is below 0"),
    ],
)
def test_seeded_refuses_numbers_out_of_range(strength, seed, message):
    with pytest.raises(UsageError, match=message):
        spawn_generators("zoo", confounder_strength=strength, seed=seed, streams=1)


@pytest.mark.parametrize(("count", "cut"), [(10, (8, 1, 1)), (19, (17, 1, 1)), (100, (80, 10, 10)), (9, (9, 0, 0))])
def test_cut_counts_are_eight_one_and_one_tenth(count, cut):
    assert fold_sizes(count) == cut


def test_other_class_draws_every_other_class_alike():
    generator = np.random.default_rng(0)
    drawn = [draw_other_class(("a", "b", "c"), "b", generator) for _ in range(400)]
    assert set(drawn) == {"a", "c"} and 150 < drawn.count("a") < 250


def test_rows_have_one_class_and_unique_names():
    rows = tabulate(members(), name="zoo", labels=LABELS)
    assert (rows[list(LABELS)].sum(axis=1) == 1).all() and rows["image_id"].is_unique
    assert rows["image_id"].iloc[[0, -1]].tolist() == ["zoo/cattrain", "zoo/dogtest/biased"]
    assert (rows["person_id"] == rows["patient_id"]).all()


def test_plan_without_a_class_in_a_fold_is_refused():
    with pytest.raises(DataError, match="zoo: no image of 'dog' for the test fold"):
        make_plan([(member, None) for member in members()[:-1]], name="zoo", labels=LABELS, root=None)


def test_plan_keeps_what_was_refused_and_knows_its_pictures(tmp_path):
    plan = make_plan(
        [(member, member.source) for member in members()],
        name="zoo",
        labels=LABELS,
        root=tmp_path,
        refused=[("x.png", "x", "no mask", "")],
    )
    assert plan.excluded.to_numpy().tolist() == [["x.png", "zoo:x", "no mask", ""]]
    assert plan.pictures[0] == "cattrain" and len(set(plan.keys())) == 6
