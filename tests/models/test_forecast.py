"""What scoring will take: how many images count, and which fold is tried."""

from types import SimpleNamespace

import pandas as pd
import pytest

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.models import forecast
from cxrshort.models.predictions import Fold
from cxrshort.models.scoring import SCORING_BATCH


def fold(count: int) -> Fold:
    return Fold(Dataset("d", pd.DataFrame({"image_id": range(count)})), "test", "")


def test_forecast_tries_the_largest_fold_of_the_first_models(monkeypatch):
    tried, clock = [], iter(range(100))
    monkeypatch.setattr(forecast, "open_model", lambda reference, compute: SimpleNamespace(classifier=None))
    monkeypatch.setattr(forecast, "visible_pixels", lambda description, data: (description, len(data.manifest)))
    monkeypatch.setattr(forecast, "score", lambda model, pixels, compute: tried.append(pixels))
    monkeypatch.setattr(forecast.time, "perf_counter", lambda: next(clock))
    references = [SimpleNamespace(description=name) for name in "abcd"]
    folds = [fold(3), fold(SCORING_BATCH + 7)]
    actual = forecast.forecast(references, [folds, folds[:1], folds, folds], compute=Compute("cpu", "fp32", 1))
    # Each model warms up on two images, and on the batch that is then timed, which is what there is time for: a batch
    # takes a second of the clock, two images of the first one too. The fourth is taken to be as fast as the others.
    affordable = int(forecast.forecasts.TRIAL_SECONDS / 3 / 2 * 2)
    batches = [("a", affordable), ("b", min(affordable, 3)), ("c", affordable)]
    assert tried == [(name, count) for name, most in batches for count in (2, 2, most, most)]
    rate = sum(count for _, count in batches) / 3
    assert actual["images_per_second"] == pytest.approx(rate, abs=0.05)
    assert actual["hours"] == pytest.approx((3 * (SCORING_BATCH + 10) + 3) / rate / 3600, abs=5e-4)
