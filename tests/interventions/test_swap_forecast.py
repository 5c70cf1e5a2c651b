from pathlib import Path

import pytest

from cxrshort.interventions.swap_forecast import forecast_trials
from cxrshort.interventions.trials import RegionTest, region_trials

from .swaps import ELSEWHERE, SIDE, corner_scorer, swap_dataset


def test_forecast_is_of_all_forwards_at_the_speed_of_a_trial(tmp_path: Path) -> None:
    scorer = corner_scorer(swap_dataset(tmp_path / "tiny").pixels)
    test = RegionTest("tag", "replace", [(1, 0)])
    trials = region_trials(test, {0: ELSEWHERE, 1: ELSEWHERE}, shape=(SIDE, SIDE), edge="corner")
    forecast = forecast_trials(trials, scorer, forwards=10**9)
    # The rate is rounded to three digits, by 0.5 % at most; the hours to thousandths, which are less.
    assert forecast["hours"] == pytest.approx(10**9 / forecast["images_per_second"] / 3600, rel=0.01)
    assert forecast["memory_mib"] > 0 and "gpu_memory_mib" not in forecast


def test_nothing_is_forecast_where_nothing_has_a_null(tmp_path: Path) -> None:
    scorer = corner_scorer(swap_dataset(tmp_path / "tiny").pixels)
    assert list(forecast_trials([], scorer, forwards=0)) == ["memory_mib"]
