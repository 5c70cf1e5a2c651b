"""Standard streams that nobody reads, or that cannot be written: progress is lost, results never without a word."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from cxrshort.errors import OutputError


class Unread:
    """Write to stderr while somebody reads it, and to nobody afterwards: progress must not end the work.

    Args:
        stream: stderr; None where the process was started without one.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text`` where that is possible; return its length."""
        try:
            if self._stream is not None:
                self._stream.write(text)
        except (OSError, ValueError):  # a closed pipe (| head), a full disk, a closed file
            self._give_up()
        return len(text)

    def flush(self) -> None:
        """Pass on what was written."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def isatty(self) -> bool:
        """Return whether a person watches."""
        return self._stream is not None and self._stream.isatty()

    def _give_up(self) -> None:
        # Python flushes the real stream once more at exit, and would end in an error there.
        if self._stream is not None and (descriptor := _descriptor(self._stream)) is not None:
            silence(descriptor)
        self._stream = None

    def __getattr__(self, name: str) -> Any:
        """Return what else a stream has, such as its encoding."""
        return getattr(self._stream if self._stream is not None else sys.__stderr__, name)


class Checked:
    """Write results to stdout, and say so where that cannot be done; a pipe that closes early is no error.

    Args:
        stream: stdout.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._refused = ""

    def write(self, text: str) -> int:
        """Write ``text``; return its length.

        Raises:
            OutputError: stdout is full or closed.
        """
        with self._explained():
            return self._stream.write(text)

    def flush(self) -> None:
        """Pass on what was written.

        Raises:
            OutputError: stdout is full or closed.
        """
        with self._explained():
            self._stream.flush()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            # Whoever only tried the stream may have swallowed what it raised: what is lost stays lost.
            if not self._refused:
                yield
        except BrokenPipeError:
            raise
        except OSError as error:
            silence(self._stream.fileno())
            self._refused = (error.strerror or str(error)).lower()
        if self._refused:
            raise OutputError(
                f"standard output cannot be written: {self._refused}", "files that the command writes are complete"
            )

    def __getattr__(self, name: str) -> Any:
        """Return what else a stream has, such as its encoding."""
        return getattr(self._stream, name)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def silence(descriptor: int) -> None:
    """Point a file descriptor at the null device."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def open_closed_streams() -> None:
    """Give descriptors 0 to 2 back where they are closed, so that no file of a run is ever opened as one of them.

    What is written to a stdout that was closed fails then, as it should, and does not land in images.npy.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest free number: this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
