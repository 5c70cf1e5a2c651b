"""A terminal as a person has one: a command runs under a pseudo-terminal, and what it draws there is read."""

import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Mapping
from pathlib import Path

import pytest

from .console import start

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def watch(*arguments: object, cwd: Path, columns: int = 120, settings: Mapping[str, str] | None = None) -> str:
    """Run a command whose stdout and stderr are a terminal of that width, and return all bytes that it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with pytest.MonkeyPatch.context() as patched:
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            patched.delenv(name, raising=False)
        variables = {"TERM": "xterm-256color", **(settings or {})}
        process = start(*arguments, cwd=cwd, variables=variables, stdout=theirs, stderr=theirs)
    with process:
        os.close(theirs)
        written = _read_all(ours)
    os.close(ours)
    assert process.returncode == 0, written
    return written


def _read_all(terminal: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # how Linux says that nobody holds the other end
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode("utf-8", errors="replace")


def plain(written: str) -> str:
    """Return what was written, without movements of the cursor and colours."""
    return _CONTROL.sub("", written).replace("\r", "")
