"""Signals that ask a run to stop, sent to a process of its own."""

import signal
import subprocess
import sys
import threading

import pytest

from cxrshort.training.interruption import watch_signals

WAIT = """
from cxrshort.training.interruption import watch_signals
import signal, sys
with watch_signals() as interrupted:
    print(interrupted(), flush=True)
    while not interrupted():
        signal.sigtimedwait([], 0.01)
    print("checkpoint", flush=True)
print("restored", flush=True)
sys.stdin.read()
"""


def start():
    return subprocess.Popen(
        [sys.executable, "-c", WAIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1], ids=lambda signal_: signal_.name)
def test_watched_lets_the_run_reach_its_checkpoint(number):
    with start() as process:
        assert process.stdout.readline() == "False\n"
        process.send_signal(number)
        assert [process.stdout.readline() for _ in range(2)] == ["checkpoint\n", "restored\n"]
        process.communicate()
    assert process.returncode == 0


def test_watched_gives_the_signals_back():
    with start() as process:
        assert process.stdout.readline() == "False\n"
        process.send_signal(signal.SIGUSR1)
        assert [process.stdout.readline() for _ in range(2)] == ["checkpoint\n", "restored\n"]
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == -signal.SIGTERM


def test_watched_restores_handlers_after_an_error():
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    with pytest.raises(KeyError), watch_signals():
        assert [signal.getsignal(number) for number in numbers] != before
        raise KeyError
    assert [signal.getsignal(number) for number in numbers] == before


def test_watched_answers_no_outside_the_main_thread():
    answers = []

    def work():
        with watch_signals() as interrupted:
            answers.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]
