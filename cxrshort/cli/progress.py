"""Progress on stderr: a live bar on a terminal, elsewhere a line per epoch, and one a minute.

An event of any verb with ``done`` and ``of`` is work that is counted, in the units that ``event`` names; one with
``text`` is a line of its own. Those of training say more: ``step`` and ``epoch``.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cxrshort.cli.tables import printable, shortened
from cxrshort.forecasts import duration_text, speed_text

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
    """Turn events into lines: one per epoch and per ``text``; what is going on now is said when asked."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._now = "working"
        self._counted: tuple[str, int, float] = ("", 0, 0.0)

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take one event."""
        kind = event["event"]
        if kind == "epoch":
            measures = f"loss {event['loss']:.4f}, validation {_measure(event)} {event['score']:.3f}"
            sys.stderr.write(printable(f"{_run(event)}epoch {event['epoch']}: {measures}, {event['seconds']:.0f} s\n"))
        elif kind == "trial":
            self._trial(event)
        elif kind == "note":
            sys.stderr.write(printable(f"note: {shortened(event['text'])}\n"))
        elif kind == "step":
            where = f"{_run(event)}epoch {event['epoch']} of {event['epochs']}"
            speed = f"{speed_text(event['images_per_second'])}, loss {event['loss']:.4f}"
            self._now = f"{where}, step {event['step']} of {event['steps']}, {speed}"
        elif "of" in event:
            self._now = f"{event['done']:,} of {event['of']:,} {kind}{self._left(event)}"
        elif "text" in event:
            sys.stderr.write(printable(f"{shortened(event['text'])}\n"))

    def _left(self, event: Mapping[str, Any]) -> str:
        """Return how long counted work still takes, at the speed since its first event."""
        kind, first, since = self._counted
        if kind != event["event"] or event["done"] < first:
            self._counted = event["event"], event["done"], time.monotonic()
            return ""
        done, left = event["done"] - first, event["of"] - event["done"]
        if not (done and left):
            return ""
        return f", {duration_text((time.monotonic() - since) / done * left / 3600)} left"

    def _trial(self, event: Mapping[str, Any]) -> None:
        """Report once that steps are tried, since the first lines of a slow network would come after a minute."""
        text = _trial(event)
        if not self._now.startswith("trial"):
            sys.stderr.write(printable(f"{text}\n"))
        self._now = text

    def beat(self) -> str:
        """Return one line: how long the work has taken, and where it is."""
        minutes = round((time.monotonic() - self._begun) / 60)
        return f"{minutes} min: {self._now}\n"


def _run(event: Mapping[str, Any]) -> str:
    """Return the name of the run that an event belongs to, as a prefix."""
    return f"{event['run']}, " if event.get("run") else ""


def _trial(event: Mapping[str, Any]) -> str:
    return f"trial: a step of {event['images']} images took {event['seconds']:.2g} s"


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
        if kind == "step":
            facts = f"{speed_text(event['images_per_second'])}  loss {event['loss']:.3f}{self._score}"
            total = event["epochs"] * event["steps"]
            done = (event["epoch"] - 1) * event["steps"] + event["step"]
            text = f"{_run(event)}epoch {event['epoch']}/{event['epochs']}"
            self._bars.update(self._task, description=text, completed=done, total=total, facts=facts)
        elif kind == "trial":
            self._bars.update(self._task, description=_trial(event))
        elif kind == "note":
            self._bars.console.print(printable(f"note: {shortened(event['text'])}"), markup=False, highlight=False)
        elif kind == "epoch":
            self._score = f"  validation {_measure(event)} {event['score']:.3f}"
        elif "of" in event:
            self._bars.update(self._task, description=printable(kind), completed=event["done"], total=event["of"])
        elif "text" in event:
            self._bars.update(self._task, description=printable(shortened(event["text"])))
