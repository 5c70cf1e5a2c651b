"""Signals that ask a run to stop: a flag, looked at between two steps, instead of an exception in the middle of one."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def watch_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether SIGTERM, SIGINT, SIGHUP or SIGUSR1 has arrived; handlers are restored later.

    A SIGHUP that is ignored, as under nohup, stays ignored.

    Outside the main thread, where Python allows no handlers, the answer is always no.
    """
    arrived = threading.Event()

    def remember(number: int, frame: FrameType | None) -> None:
        del number, frame
        arrived.set()

    if threading.current_thread() is not threading.main_thread():
        yield arrived.is_set
        return
    watched_signals = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        watched_signals.append(signal.SIGHUP)
    previous = {number: signal.signal(number, remember) for number in watched_signals}
    try:
        yield arrived.is_set
    finally:
        for number, handler in previous.items():
            # None stands for a handler that was not set from Python and cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
