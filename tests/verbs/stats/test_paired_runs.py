"""Tables of paired runs from predictions and from a number per run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError
from cxrshort.stats.auc import auc, compare_paired
from cxrshort.verbs.stats.paired_runs import read_runs, runs_of_contest
from cxrshort.verbs.stats.pairs import read_pairs
from cxrshort.verbs.stats.source import open_source

from .scored import two_trainings, written


def table(**columns: object) -> pd.DataFrame:
    rows = [(method, seed, split) for method in "ab" for seed in (0, 1) for split in "xyz"]
    frame = pd.DataFrame(rows, columns=["method", "seed", "split"])
    return frame.assign(auc=np.arange(12.0) / 100, **columns)


def read(frame: pd.DataFrame, folder: Path, **options: object):
    settings = {"value": "auc", "group": "method", "seed": "seed", "split": "split"}
    settings |= {"before": None, "after": None, "by": None}
    return read_runs(open_source(written(frame, folder, "runs.csv")), **(settings | options))


def test_runs_are_crossed_whatever_their_order(tmp_path: Path) -> None:
    names, (runs,) = read(table().sample(frac=1, random_state=0), tmp_path, before="a")
    assert names == ("a", "b")
    assert runs.before.tolist() == [[0.0, 0.01, 0.02], [0.03, 0.04, 0.05]]
    assert (runs.after - runs.before).tolist() == [[pytest.approx(0.06)] * 3] * 2
    _, (seeds,) = read(table().query("split == 'x'"), tmp_path, split=None)
    assert seeds.before.shape == (2, 1)


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (
            table().iloc[:-1],
            {},
            "runs.csv: 'b' lacks 1 of 6 runs: every seed needs every split, for both methods",
        ),
        (table(), {"split": None}, "runs.csv: 4 runs stand twice, such as seed '0'"),
        (table(), {"seed": None, "split": None}, "paired runs need a column that says which runs belong together"),
        (table(), {"seed": "sed"}, "runs.csv: there is no column 'sed'"),
    ],
)
def test_runs_that_are_no_pairs_are_refused(tmp_path: Path, frame: pd.DataFrame, options: dict, message: str) -> None:
    with pytest.raises(CxrshortError) as caught:
        read(frame, tmp_path, **options)
    assert caught.value.message == message


def test_predictions_give_aucs_and_their_variance(tmp_path: Path) -> None:
    pairs = read_pairs(written(two_trainings(replicates=3), tmp_path), label="Edema")
    contest = pairs.contests[0]
    runs = runs_of_contest(contest)
    assert runs.before.shape == (1, 3)
    assert runs.after[0].tolist() == [pytest.approx(auc(pair.targets, pair.after)) for pair in contest.pairs]
    assert (runs.counts["positives"], runs.counts["persons"]) == (20, 30)
    errors = [
        compare_paired(pair.targets, before=pair.before, after=pair.after, clusters=pair.persons).standard_error
        for pair in contest.pairs
    ]
    assert runs.images_of_run == pytest.approx(np.mean(np.square(errors)))
    # All replicates share the images: the mean of three has at most a run's variance, and at least a third of it.
    assert runs.images_of_run / 3 * 0.5 < runs.images < runs.images_of_run


def test_replicates_with_images_of_their_own_share_no_variance(tmp_path: Path) -> None:
    frame = two_trainings(replicates=2)
    frame["image_id"] += "/" + frame["replicate"].astype(str)
    (contest, _) = read_pairs(written(frame, tmp_path), label="Edema").contests
    assert runs_of_contest(contest).images == 0
