"""How busy other processes keep the machine, read from the kernel's counts, and what follows from it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxrshort import contention
from cxrshort.contention import Load, SlowEpochs, busy_ticks, look, prepare

QUIET, BUSY = Load(0.1, 2), Load(1.0, 2)


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Stand before torch is loaded, with no variable set, beside a busy process."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "RANK"):
        monkeypatch.setenv(name, "")  # so that it is absent again afterwards, whatever the test sets
        monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(contention, "look", lambda: BUSY)
    monkeypatch.setattr(contention, "cores", lambda: 2)
    yield monkeypatch


def spin_count() -> str | None:
    return contention.os.environ.get("GOMP_SPINCOUNT")


def test_cores_of_others_and_idle_times_do_not_count() -> None:
    lines = [
        "cpu  9 9 9 9 9 9 9 9 9 9",
        "cpu0 10 2 3 100 50 1 1 3 7 7",
        "cpu1 500 0 0 1 0 0 0 0 0 0",
        "cpu10 7",
        "intr 1",
    ]
    assert busy_ticks(lines, [0]) == 10 + 2 + 3 + 1 + 1 + 3  # guest time is part of user time already
    assert busy_ticks([*lines, ""], [0, 1]) == 20 + 500
    assert busy_ticks(lines, [3]) == 0


def test_look_counts_what_others_used_and_not_what_this_process_did(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two cores for ten seconds: 14 core seconds used, 4 of them by this process."""
    statistics, clock, own = tmp_path / "stat", iter((100.0, 110.0)), iter((1.0, 5.0))
    statistics.write_text("cpu0 100 0 0 0 0 0 0 0\ncpu1 0 0 0 9 0 0 0 0\n")
    monkeypatch.setattr(contention, "_STATISTICS", statistics)
    monkeypatch.setattr(contention.os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(contention.os, "sysconf", lambda _: 100)
    monkeypatch.setattr(contention.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(contention.time, "process_time", lambda: next(own))
    after = "cpu0 1100 0 0 0 0 0 0 0\ncpu1 400 0 0 600 0 0 0 0\n"
    monkeypatch.setattr(contention.time, "sleep", lambda _: statistics.write_text(after))
    assert look() == Load(1.0, 2)
    statistics.unlink()
    assert look() is None  # a system without such statistics


@pytest.mark.parametrize(
    ("load", "crowded", "free"),
    [(Load(0.0, 2), False, 2), (Load(0.5, 2), False, 2), (Load(1.0, 2), True, 1), (Load(2.6, 2), True, 1),
     (Load(1.0, 16), False, 15), (Load(7.8, 16), True, 8)],
)  # fmt: skip
def test_machine_is_busy_by_the_share_of_its_cores(load: Load, crowded: bool, free: int) -> None:
    assert (load.crowded, load.free) == (crowded, free)


def test_threads_sleep_while_they_wait_beside_a_busy_process(unloaded: pytest.MonkeyPatch) -> None:
    assert prepare(precision="fp32", threads=None) == (
        "other processes keep 1.0 of 2 cores busy, which slows this down; torch's threads sleep while they wait "
        "(GOMP_SPINCOUNT=1000); a new run with --threads 1 has fewer to wait for"
    )
    assert spin_count() == "1000"


@pytest.mark.parametrize(("precision", "native"), [("bf16", False), ("auto", True)])
def test_threads_that_compute_in_bf16_wait_as_ever(unloaded: pytest.MonkeyPatch, precision: str, native: bool) -> None:
    unloaded.setattr(contention, "has_amx_bf16", lambda: native)
    assert prepare(precision=precision, threads=2) == (
        "other processes keep 1.0 of 2 cores busy, which slows this down; "
        "a new run with --threads 1 has fewer to wait for"
    )
    assert spin_count() is None


@pytest.mark.parametrize(("name", "value"), [("GOMP_SPINCOUNT", "7"), ("OMP_WAIT_POLICY", "active")])
def test_what_the_user_has_set_stays(unloaded: pytest.MonkeyPatch, name: str, value: str) -> None:
    unloaded.setenv(name, value)
    assert "GOMP_SPINCOUNT" not in prepare(precision="fp32", threads=None)
    assert spin_count() == (value if name == "GOMP_SPINCOUNT" else None)


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "RANK"])
def test_one_thread_waits_for_nobody(unloaded: pytest.MonkeyPatch, name: str) -> None:
    assert prepare(precision="fp32", threads=1) == ""
    unloaded.setenv(name, "1")
    assert prepare(precision="fp32", threads=None) == "" and spin_count() is None


def test_threads_that_have_a_core_each_are_left_alone(unloaded: pytest.MonkeyPatch) -> None:
    unloaded.setattr(contention, "look", lambda: Load(7.8, 16))
    assert prepare(precision="fp32", threads=8) == "" and spin_count() is None
    assert "--threads 8 " in prepare(precision="fp32", threads=9)
    unloaded.delenv("GOMP_SPINCOUNT")
    unloaded.setattr(contention, "cores", lambda: 1)
    assert prepare(precision="fp32", threads=None) == ""


def test_quiet_machine_and_loaded_torch_change_nothing(unloaded: pytest.MonkeyPatch) -> None:
    unloaded.setitem(sys.modules, "torch", contention)
    assert prepare(precision="fp32", threads=None) == ""
    unloaded.delitem(sys.modules, "torch")
    for load in (QUIET, None):
        unloaded.setattr(contention, "look", lambda load=load: load)
        assert prepare(precision="fp32", threads=None) == ""
    assert spin_count() is None


def test_slow_epoch_is_noticed_where_others_use_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(contention, "look", lambda: looks.append(1) or BUSY)
    epochs = SlowEpochs()
    assert [epochs.note(seconds) for seconds in (40.0, 50.0, 31.0, 46.0)] == [""] * 4 and not looks
    assert epochs.note(93.0) == (
        "other processes keep 1.0 of 2 cores busy, and this epoch took 3.0 times as long as the fastest; "
        "Ctrl-C saves a checkpoint, from which --resume continues when they are done"
    )
    monkeypatch.setattr(contention, "look", lambda: QUIET)
    assert epochs.note(93.0) == ""
    short = SlowEpochs()
    assert [short.note(seconds) for seconds in (1.0, 20.0)] == ["", ""]


def test_looking_loads_nothing_heavy() -> None:
    code = (
        "import sys; from cxrshort.contention import look; look(0.01); assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
