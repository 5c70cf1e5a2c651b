from pathlib import Path

import numpy as np
import pytest

from cxrshort.interventions.swap_changes import change_table
from cxrshort.interventions.trial_scores import TrialScores
from cxrshort.interventions.trials import RegionTrial

from .swaps import CORNER, candidates_of, swap_dataset

BEFORE, AFTER = np.array([1.0, -1.0, 0.5, 0.0]), np.array([-2.0, 2.0, 0.75, 0.0])


def test_each_trial_has_its_change_and_its_empirical_p(tmp_path: Path) -> None:
    candidates = candidates_of(swap_dataset(tmp_path / "tiny"))
    trials = [
        RegionTrial("tag", "replace", "test", 1, True, 0, CORNER, partner=0),
        RegionTrial("tag", "replace", "test", 0, False, 0, CORNER, partner=1),
        RegionTrial("tag", "blur", "test", 2, False, 1, CORNER),
        RegionTrial("tag", "replace", "sham", 1, True, 0, CORNER, partner=1),
    ]
    # Rows of the null: changes of the second trial, the first, and the third.
    null = np.array([[-1.0, 2, 2.5], [-1.0, -1.5, -3], [0.0, 1.0, 0.9]], np.float32)
    scores = TrialScores(BEFORE, AFTER, np.array([9, 9, 9, 0]))
    changes = change_table(trials, scores, candidates=candidates, with_null=[1, 0, 2], null=null, spread=2.0)
    table = changes.table
    assert table["image_id"].tolist() == ["tiny/001", "tiny/000", "tiny/002", "tiny/001"]
    assert table["partner"].tolist() == ["tiny/000", "tiny/001", "", "tiny/001"]
    assert table["role"].tolist() == ["positive", "negative", "negative", "positive"]
    assert table["direction"].tolist() == ["decrease", "increase", "either", "decrease"]
    assert table["change"].tolist() == [-3, 3, 0.25, 0]
    assert table["null_row"].tolist() == [1, 0, 2, -1]
    # At least as low as -3: one of three; at least as high as 3: two; at least as far as 0.25: three.
    assert table["empirical_p"].tolist()[:3] == [2 / 4, 3 / 4, 4 / 4]
    assert table["mean_random_change"].tolist()[:3] == pytest.approx([-17 / 6, 13 / 6, 0.4 / 3], rel=1e-6)
    assert table[["empirical_p", "mean_random_change"]].iloc[3].isna().all()


def test_test_without_random_patches_has_no_empirical_p(tmp_path: Path) -> None:
    candidates = candidates_of(swap_dataset(tmp_path / "tiny"))
    trial = RegionTrial("most", "replace", "test", 1, True, 0, CORNER, partner=0)
    scores = TrialScores(np.zeros(1), np.ones(1), np.ones(1, np.int64))
    changes = change_table(
        [trial], scores, candidates=candidates, with_null=[], null=np.zeros((0, 3), np.float32), spread=1.0
    )
    assert changes.table["null_row"].tolist() == [-1] and changes.table["empirical_p"].isna().all()
    assert changes.random_logits(changes.table) is None
