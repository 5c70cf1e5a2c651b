"""Progress on stderr: a live bar on a terminal, elsewhere a line per epoch, and one a minute."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cxrshort.cli.tables import printable

if TYPE_CHECKING:
    from rich.progress import Progress

Report = Callable[[Mapping[str, Any]], None]


MINUTE = 60.0
"""Seconds between two lines where stderr is no terminal."""


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Report]:
    """Yield a function that shows events: a live bar on a terminal; elsewhere a line per epoch, and one a minute."""
    if quiet:
        yield lambda event: None
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _Live(bars)
    else:
        with _heartbeat(_Lines()) as lines:
            yield lines


@contextlib.contextmanager
def _heartbeat(lines: "_Lines", *, seconds: float = MINUTE) -> Iterator["_Lines"]:
    """Write a line whenever so many seconds have passed, also where the work reports nothing for long."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(seconds):
            sys.stderr.write(printable(lines.beat()))
            sys.stderr.flush()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        ended.set()
        thread.join()


class _Lines:
    """Turn events into lines: one per epoch and per scored dataset; what is going on now is said when asked."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._now = "working"

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take one event."""
        kind = event["event"]
        if kind == "epoch":
            measures = f"loss {event['loss']:.4f}, validation {_measure(event)} {event['score']:.3f}"
            sys.stderr.write(
                printable(f"{_run(event)}epoch {event['epoch'] + 1}: {measures}, {event['seconds']:.0f} s\n")
            )
        elif kind == "scored":
            sys.stderr.write(
                printable(f"scored {event['images']} images of {event['dataset']} with {event['model']}\n")
            )
        elif kind == "note":
            sys.stderr.write(printable(f"note: {event['text']}\n"))
        elif kind == "images":
            self._now = f"{event['done']:,} of {event['of']:,} images"
        elif kind == "step":
            where = f"{_run(event)}epoch {event['epoch'] + 1} of {event['epochs']}"
            speed = f"{event['images_per_second']:.0f} images/s, loss {event['loss']:.4f}"
            self._now = f"{where}, step {event['step']} of {event['steps']}, {speed}"

    def beat(self) -> str:
        """Return one line: how long the work has taken, and where it is."""
        minutes = round((time.monotonic() - self._begun) / 60)
        return f"{minutes} min: {self._now}\n"


def _run(event: Mapping[str, Any]) -> str:
    """Say which of several runs an event belongs to."""
    return f"{event['run']}, " if event.get("run") else ""


def _measure(event: Mapping[str, Any]) -> str:
    return "Dice" if "dice" in event else "AUC"


def _bars() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[facts]}"), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)


class _Live:
    """Turn events into the movement of one bar."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None, facts="")
        self._score = ""

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Show one event."""
        kind = event["event"]
        if kind == "images":
            self._bars.update(self._task, description="images", completed=event["done"], total=event["of"])
        elif kind == "step":
            facts = f"{event['images_per_second']:.0f} images/s  loss {event['loss']:.3f}{self._score}"
            total = event["epochs"] * event["steps"]
            done = event["epoch"] * event["steps"] + event["step"]
            text = f"{_run(event)}epoch {event['epoch'] + 1}/{event['epochs']}"
            self._bars.update(self._task, description=text, completed=done, total=total, facts=facts)
        elif kind == "note":
            self._bars.console.print(printable(f"note: {event['text']}"), markup=False, highlight=False)
        elif kind == "epoch":
            self._score = f"  validation {_measure(event)} {event['score']:.3f}"
        else:
            self._bars.update(self._task, description=printable(f"scored {event['dataset']}"))
