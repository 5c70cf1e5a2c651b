"""The events of a run as points of TensorBoard's curves."""

import sys
from pathlib import Path

import pytest

from cxrshort.errors import UsageError
from cxrshort.training import tracking


class Recorder:
    """Keep what a TensorBoard writer would be given."""

    def __init__(self) -> None:
        self.points: list[tuple[str, float, int]] = []

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.points.append((tag, value, step))

    def flush(self) -> None:
        """Do nothing."""


def test_events_become_points_of_curves_that_count_the_steps_of_the_run() -> None:
    writer = Recorder()
    tracking.record({"event": "step", "epoch": 2, "step": 4, "steps": 10, "loss": 0.5}, writer, steps=10)
    tracking.record({"event": "epoch", "epoch": 2, "loss": 0.4, "score": 0.9}, writer, steps=10)
    assert writer.points == [("step/loss", 0.5, 14), ("epoch/loss", 0.4, 20), ("epoch/score", 0.9, 20)]


def test_numbers_alone_become_points() -> None:
    writer = Recorder()
    tracking.record({"event": "epoch", "epoch": 1, "score": None, "run": "replicate 1", "loss": 0.4}, writer, steps=3)
    assert writer.points == [("epoch/loss", 0.4, 3)]


def test_absent_tensorboard_is_refused_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # what an import finds where nothing is installed
    with pytest.raises(UsageError) as caught:
        tracking.open_writer(tmp_path / "events", step=0)
    assert caught.value.message == "--tensorboard needs tensorboard, which is not installed"
    assert caught.value.hint == "pip install tensorboard"
    assert not (tmp_path / "events").exists()
