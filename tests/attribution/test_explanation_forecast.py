"""Forecasts of explanations."""

from pathlib import Path

import pytest

from cxrshort.attribution.explanation_forecast import forecast_maps

from .population import job, population


@pytest.mark.parametrize(
    ("method", "texts"), [("expected-gradients", ("samples=9000000",)), ("gradient", ()), ("occlusion", ("patch=0.5",))]
)
def test_time_disk_and_memory_of_all_maps(tmp_path: Path, method: str, texts: tuple[str, ...]) -> None:
    people = population(tmp_path, people=6)
    plan = forecast_maps(job(people, method=method, texts=texts))
    assert plan["disk_mib"] == round(12 * 16 * 16 * 4 / 2**20, 2) and plan["memory_mib"] > 0
    # Both are rounded: hours to three decimals, the speed to three digits.
    assert plan["hours"] == pytest.approx(12 / plan["images_per_second"] / 3600, rel=0.01, abs=0.0006)


def test_draws_that_a_trial_leaves_out_are_counted(tmp_path: Path) -> None:
    people = population(tmp_path, people=6)
    rates = [forecast_maps(job(people, texts=(f"samples={samples}",)))["images_per_second"] for samples in (80, 80_000)]
    assert rates[0] > 50 * rates[1]  # a thousand times as many passes, on a machine that is busy otherwise


def test_checks_and_passes_besides_take_their_time(tmp_path: Path) -> None:
    people = population(tmp_path, people=6)
    made = job(people, texts=("samples=8000",))
    checked, viewed = (forecast_maps(made, **options) for options in ({"checked": ["COVID-19"]}, {"views": 10**7}))
    # The maps of 12 images, and again 12 times: trained, after ten steps of randomisation, with another background.
    maps = [plan["hours"] * 3600 * plan["images_per_second"] for plan in (checked, viewed)]
    assert maps[0] > 0.9 * 13 * 12  # as many at the measured rate; the passes besides add to them
    assert maps[1] > 10 * 12  # ten million passes for each image are many times the 8,000 of its map
