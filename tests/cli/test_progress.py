"""Progress where stderr is no terminal: a line per epoch, and one a minute."""

import threading

import pytest

from cxrshort.cli.progress import _bars, _heartbeat, _Lines, _Live

STEP = {"event": "step", "epoch": 1, "epochs": 3, "step": 40, "steps": 90, "images_per_second": 231.4, "loss": 0.25}


def test_heartbeat_says_where_the_work_is(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _Lines()
    assert lines.beat() == "0 min: working\n"
    lines({"event": "images", "done": 1200, "of": 4000})
    assert lines.beat() == "0 min: 1,200 of 4,000 images\n"
    lines({"event": "images", "done": 2000, "of": 4000})
    assert lines.beat() == "0 min: 2,000 of 4,000 images, less than a minute left\n"
    lines({"event": "images", "done": 4000, "of": 4000})
    assert lines.beat() == "0 min: 4,000 of 4,000 images\n"
    lines({"event": "pairs", "done": 2, "of": 9})
    assert lines.beat() == "0 min: 2 of 9 pairs\n"
    lines(STEP)
    assert lines.beat() == "0 min: epoch 1 of 3, step 40 of 90, 231 images/s, loss 0.2500\n"
    lines({**STEP, "run": "replicate 1 (2 of 5)"})
    assert lines.beat().startswith("0 min: replicate 1 (2 of 5), epoch 1 of 3, ")
    assert capsys.readouterr().err == ""
    lines({"event": "scored", "text": "scored 12 images of tiny\x1b with run"})
    assert capsys.readouterr().err == "scored 12 images of tiny\\x1b with run\n"
    lines({"event": "scored", "text": f"scored 12 images of {'x' * 5000} with run"})
    assert len(capsys.readouterr().err) < 400


def test_speed_below_one_image_a_second_is_said_by_the_image(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _Lines()
    lines({**STEP, "images_per_second": 0.04})
    assert lines.beat() == "0 min: epoch 1 of 3, step 40 of 90, 25.0 s per image, loss 0.2500\n"


def test_trial_is_shown_once_and_then_by_the_heartbeat(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _Lines()
    for images, seconds in ((2, 1.234), (8, 4.0)):
        lines({"event": "trial", "images": images, "seconds": seconds})
    assert capsys.readouterr().err == "trial: a step of 2 images took 1.2 s\n"
    assert lines.beat() == "0 min: trial: a step of 8 images took 4 s\n"


def test_note_of_a_run_is_shown_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    event = {"event": "note", "text": "the machine is busy\x1b[2J"}
    _Lines()(event)
    bars = _bars()
    _Live(bars)(event)
    shown = capsys.readouterr().err
    assert shown.count("note: the machine is busy\\x1b[2J") == 2


def test_heartbeat_beats_while_the_work_reports_nothing_and_stops_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    beaten = threading.Event()
    lines = _Lines()
    monkeypatch.setattr(lines, "beat", lambda: beaten.set() or "")  # type: ignore[func-returns-value]
    before = threading.active_count()
    with _heartbeat(lines, seconds=0.001):
        assert beaten.wait(10)
    assert threading.active_count() == before
