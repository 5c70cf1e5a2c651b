"""Two methods of one table or of two, joined by image."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError
from cxrshort.verbs.stats.pairs import read_pairs, same_images

from .scored import plain, predictions, two_trainings, written


def refusal(*tables: Path, **options: object) -> tuple[int, str, str]:
    with pytest.raises(CxrshortError) as caught:
        read_pairs(*tables, **options)
    return caught.value.exit_code, caught.value.message, caught.value.hint


def test_two_trainings_of_one_table_in_any_order_of_rows(tmp_path: Path) -> None:
    table = two_trainings(replicates=2)
    shuffled = table.sample(frac=1, random_state=0).sort_values("training", kind="stable")
    pairs = read_pairs(written(shuffled, tmp_path), label="Edema")
    assert pairs.names == ("a/small-cnn/erm", "b/small-cnn/tea")
    assert len(pairs.contests) == 2 and [len(contest.pairs) for contest in pairs.contests] == [2, 2]
    pair = next(
        pair
        for contest in pairs.contests
        for pair in contest.pairs
        if (pair.facts["dataset"], pair.facts["replicate"]) == ("hospital-a", 1)
    )
    rows = table[(table["dataset"] == "hospital-a") & (table["replicate"] == 1)].set_index("image_id")
    images = pair.columns["image_id"]
    for name, values in (("a/small-cnn/erm", pair.before), ("b/small-cnn/tea", pair.after)):
        assert values.tolist() == rows[rows["training"] == name].loc[images, "logit.Edema"].tolist()
    swapped = read_pairs(tmp_path / "predictions.csv", before="b/small-cnn/tea")
    assert swapped.names == ("b/small-cnn/tea", "a/small-cnn/erm")


def test_two_tables_equal_one(tmp_path: Path) -> None:
    table = two_trainings()
    first = written(table[table["training_id"] == "t"], tmp_path, "first.csv")
    second = written(table[table["training_id"] == "u"].iloc[::-1], tmp_path, "second.csv")
    whole, halves = read_pairs(written(table, tmp_path)), read_pairs(first, second)
    for left, right in zip(whole.contests, halves.contests, strict=True):
        assert left.facts == right.facts
        for name in ("targets", "before", "after", "persons"):
            assert (getattr(left.pairs[0], name) == getattr(right.pairs[0], name)).all()
    # The same training in both tables is told apart by the files.
    assert read_pairs(first, written(table[table["training_id"] == "t"], tmp_path, "again.csv")).names == (
        "a/small-cnn/erm (first)",
        "a/small-cnn/erm (again)",
    )


def test_plain_tables_are_joined_by_image(tmp_path: Path) -> None:
    rows = {"film": list("abcd"), "y": [0, 0, 1, 1], "score": [1.0, 2, 3, 4]}
    first = written(pd.DataFrame(rows), tmp_path, "first.csv")
    second = written(pd.DataFrame(rows).assign(score=[10.0, 20, 30, 40]).iloc[::-1], tmp_path, "second.csv")
    pairs = read_pairs(first, second, target="y", score="score", image="film")
    (pair,) = pairs.contests[0].pairs
    assert (pairs.names, pair.after.tolist()) == (("first", "second"), [10, 20, 30, 40])
    assert refusal(first, second, target="y", score="score")[:2] == (65, "first.csv: there is no column 'image_id'")


def test_two_columns_keep_rows_that_have_both_scores(tmp_path: Path) -> None:
    other = [np.nan, *np.linspace(0, 1, 11)]
    path = plain(tmp_path, other=other)
    pairs = read_pairs(path, target="label", before="score", after="other", person="patient", by="view")
    (pair,) = pairs.contests[0].pairs
    assert len(pair.targets) == 11 and pair.after.tolist() == other[1:]
    assert [(name, len(part.targets)) for name, part in pair.by("view")] == [("AP", 6), ("PA", 5)]
    assert "rows without a score are left out, of 12: other 1" in pairs.notes


def test_unequal_images_are_counted_and_named(tmp_path: Path) -> None:
    table = two_trainings()
    odd = (table["training_id"] == "u") & table["image_id"].isin(["hospital-a/3", "hospital-a/7"])
    message = "2 of 60 images are in one table only ('hospital-a/3', 'hospital-a/7'): pairs need the same images"
    assert refusal(written(table[~odd], tmp_path), label="Edema") == (
        65,
        f"Edema on hospital-a: {message}",
        "evaluate both models on the same split",
    )


def test_targets_that_differ_are_counted(tmp_path: Path) -> None:
    table = two_trainings()
    odd = (table["training_id"] == "u") & (table["image_id"] == "hospital-a/3")
    table.loc[odd, "target.Edema"] = 1 - table.loc[odd, "target.Edema"]
    message = "Edema on hospital-a: 1 of 60 images have different targets in the two tables"
    assert refusal(written(table, tmp_path))[:2] == (65, message)


def test_unclear_or_wrong_choices_are_refused(tmp_path: Path) -> None:
    three = pd.concat([two_trainings(), predictions(seed=3).assign(training="c", training_id="v", model_id="x")])
    path, single = written(three, tmp_path), written(predictions(), tmp_path, "single.csv")
    listed = "'a/small-cnn/erm', 'b/small-cnn/tea', 'c'"
    assert refusal(path) == (2, "predictions.csv holds 3 trainings", f"--before NAME --after NAME choose: {listed}")
    assert refusal(path, before="c", after="c")[1] == "'c' cannot be compared with itself"
    assert refusal(path, single) == (2, "predictions.csv holds 3 trainings", f"--before NAME chooses: {listed}")
    assert refusal(path, after="b/small-cnn/te") == (
        65,
        "predictions.csv: there is no training 'b/small-cnn/te'",
        "did you mean 'b/small-cnn/tea'?",
    )
    assert refusal(single)[1] == "single.csv: 'a/small-cnn/erm' is its only training, and a comparison needs two"
    scores = plain(tmp_path)
    assert refusal(scores) == (
        65,
        "scores.csv is no table of predictions: it has no columns 'target.LABEL' and 'logit.LABEL'",
        "--target, --before and --after name its columns: label, score, patient, view",
    )
    assert refusal(scores, target="label")[:2] == (2, "a comparison needs two columns of scores")
    assert refusal(scores, target="label", score="score")[:2] == (2, "--score names the scores of two tables")
    assert refusal(scores, target="label", before="score", after="scor")[1:] == (
        "scores.csv: there is no column 'scor'",
        "did you mean 'score'?",
    )


def test_replicates_of_one_side_are_noted(tmp_path: Path) -> None:
    table = two_trainings(replicates=2)
    table = table[(table["training_id"] == "t") | (table["replicate"] == 0)]
    pairs = read_pairs(written(table, tmp_path), label="Edema")
    assert pairs.notes[0] == "Edema on hospital-a: 1 run of one method alone is not paired: replicate 1"
    assert [list(contest.before) for contest in pairs.contests] == [[(0, 0), (1, 0)], [(0, 0), (1, 0)]]


def test_pairs_of_the_same_images_are_put_in_one_order(tmp_path: Path) -> None:
    table = two_trainings(replicates=2)
    table = pd.concat([table[table["replicate"] == 0], table[table["replicate"] == 1].iloc[::-1]])
    (contest, _) = read_pairs(written(table, tmp_path), label="Edema").contests
    ordered = same_images(contest.pairs, "image_id")
    assert ordered is not None
    assert ordered[1].columns["image_id"].tolist() == ordered[0].columns["image_id"].tolist()
    fewer = table[(table["replicate"] == 0) | (table["image_id"] != "hospital-a/3")]
    (contest, _) = read_pairs(written(fewer, tmp_path), label="Edema").contests
    assert same_images(contest.pairs, "image_id") is None


def seeds(count: int) -> pd.DataFrame:
    """Return two trainings of several seeds for each of two replicates."""
    tables = []
    for seed in range(count):
        table = two_trainings(replicates=2)
        table["model"] += f"-seed{seed}"
        table["model_id"] += f"s{seed}"
        table["logit.Edema"] += np.random.default_rng(seed).normal(0, 0.5, len(table))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def test_seeds_of_a_training_are_its_runs(tmp_path: Path) -> None:
    path = written(seeds(3), tmp_path)
    pairs = read_pairs(path, label="Edema")
    assert pairs.names == ("a/small-cnn/erm", "b/small-cnn/tea")
    runs = [(pair.facts["replicate"], pair.facts["seed"]) for pair in pairs.contests[0].pairs]
    assert sorted(runs) == [(replicate, seed) for replicate in (0, 1) for seed in (0, 1, 2)]
    models = read_pairs(
        path, label="Edema", before="a/small-cnn/erm (runs/0-seed0)", after="a/small-cnn/erm (runs/0-seed1)"
    )
    assert [len(contest.pairs) for contest in models.contests] == [1, 1]


def test_seeds_of_one_training_alone_are_its_models(tmp_path: Path) -> None:
    table = seeds(2)
    table = table[(table["training_id"] == "t") & (table["replicate"] == 0)]
    pairs = read_pairs(written(table, tmp_path), label="Edema")
    assert pairs.names == ("a/small-cnn/erm (runs/0-seed0)", "a/small-cnn/erm (runs/0-seed1)")
