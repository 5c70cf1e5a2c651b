"""A terminal as a person has one: a command runs under a pseudo-terminal, and what it draws there is read."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path

from .console import COMMAND, environment

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def watch(*arguments: object, cwd: Path, columns: int = 120, settings: Mapping[str, str] | None = None) -> str:
    """Run a command whose stdout and stderr are a terminal of that width, and return all bytes that it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    kept = {name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = [*COMMAND, *map(str, arguments)]
    variables = {**kept, "TERM": "xterm-256color", **(settings or {})}
    with subprocess.Popen(
        command, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, close_fds=True
    ) as process:
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
