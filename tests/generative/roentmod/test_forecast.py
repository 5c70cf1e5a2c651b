"""Forecasts of edits: every edit is counted, round trips at their own speed, and the first batch is reported once."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import IMAGES
from cxrshort.datasets.building.image_source import ImageSource, Record
from cxrshort.generative.roentmod.forecast import forecast_edits, with_forecast


def make(files: Mapping[str, Path], chosen: Sequence[int], rows: Sequence[int], jobs: int, record: Record) -> None:
    assert files[IMAGES].exists() and len(rows) == len(chosen)
    time.sleep(0.06 if min(chosen) < 20 else 0.01)


def test_edits_and_round_trips_are_timed_apart() -> None:
    rows = pd.DataFrame({"edit": ["edema"] * 20 + ["round trip"] * 10})
    cost = forecast_edits(ImageSource(["x"], {IMAGES: (8, 8)}, make), rows, range(30), batch=5)
    assert cost["minutes"] * 60 == pytest.approx(4 * 0.06 + 2 * 0.01, rel=0.3)
    assert cost["images_per_second"] == pytest.approx(30 / (cost["minutes"] * 60), rel=0.02)
    assert cost["disk_mib"] == round(30 * 64 / 2**20, 1) and cost["memory_mib"] > 0


def test_the_first_batch_is_reported_once() -> None:
    events: list[Mapping[str, Any]] = []

    def transform(sources: np.ndarray, rows: pd.DataFrame) -> list[np.ndarray]:
        time.sleep(0.05)
        return list(sources)

    timed = with_forecast(transform, count=40_000, batch=1, report=events.append)
    for _ in range(2):
        assert len(timed(np.zeros((1, 4, 4), np.uint8), pd.DataFrame({"edit": ["edema"]}))) == 1
    assert [event["event"] for event in events] == ["note"]
    assert events[0]["text"].startswith("40,000 edits take about ") and "images/s" in events[0]["text"]
