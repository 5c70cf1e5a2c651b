"""Processes of their own that need not import torch: a server that has done so forks them, in a tenth of a second.

They have streams, signals, exit codes and bytes of their own, as those of a shell. What must be seen from the first
line of the interpreter on, such as what a command imports, or torchrun, is started as a program.
"""

import atexit
import contextlib
import functools
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .fork_server import NUMBER

SERVER = Path(__file__).with_name("fork_server.py")


@functools.cache
def _server(path: str) -> socket.socket:
    """Start the server of this process, and return what takes its orders; it ends with this process.

    Args:
        path: ``PYTHONPATH``, where it finds the package.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(theirs.fileno())],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


class Fork:
    """A running command, with the part of :class:`subprocess.Popen` that tests need.

    Args:
        arguments: words behind ``cxrshort``.
        cwd: folder in which it runs.
        environment: its variables.
        stdin: ``subprocess.DEVNULL`` or a descriptor.
        stdout: ``subprocess.PIPE``, ``subprocess.DEVNULL`` or a descriptor.
        stderr: likewise.
        start_new_session: whether it leads a group of processes, as for ``os.killpg``.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        start_new_session: bool = False,
    ) -> None:
        self.args = ["cxrshort", *arguments]
        self.returncode: int | None = None
        order = {
            "arguments": list(arguments),
            "cwd": str(cwd),
            "environment": dict(environment),
            "session": start_new_session,
        }
        null = os.open(os.devnull, os.O_RDWR)
        self._report, report = os.pipe()
        self.stdout, out = _stream(stdout, null)
        self.stderr, error = _stream(stderr, null)
        descriptors = [null if stdin == subprocess.DEVNULL else stdin, out, error, report]
        socket.send_fds(_server(environment["PYTHONPATH"]), [json.dumps(order).encode()], descriptors)
        for descriptor in {null, report, *(out, error)} - {stdout, stderr}:
            os.close(descriptor)
        self.pid = self._number()

    def _number(self) -> int:
        text = os.read(self._report, NUMBER.size)
        if not text:
            raise ChildProcessError(f"no process was forked for {self.args}")
        return int(NUMBER.unpack(text)[0])

    def poll(self) -> int | None:
        """Return the exit code, minus the signal that ended it, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code."""
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = self._number()
            os.close(self._report)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read both streams to their ends, wait for its end, and return what it wrote."""
        ends = None if timeout is None else time.monotonic() + timeout
        streams = [stream for stream in (self.stdout, self.stderr) if stream is not None]
        written = dict.fromkeys(streams, b"")
        with selectors.DefaultSelector() as open_streams:
            for stream in streams:
                open_streams.register(stream, selectors.EVENT_READ)
            while open_streams.get_map():
                ready = open_streams.select(None if ends is None else ends - time.monotonic())
                if not ready and ends is not None and time.monotonic() >= ends:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                for key, _ in ready:
                    part = os.read(key.fd, 65536)
                    written[key.fileobj] += part  # type: ignore[index]
                    if not part:
                        open_streams.unregister(key.fileobj)
        self.wait(None if ends is None else max(0.0, ends - time.monotonic()))
        self._close()
        texts = [written[stream].decode() if stream is not None else "" for stream in (self.stdout, self.stderr)]
        return texts[0], texts[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        self.wait()
        self._close()

    def _close(self) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()


def _stream(wanted: int, null: int) -> tuple[IO[str] | None, int]:
    """Return what this process reads, if anything, and the descriptor that the other writes to."""
    if wanted == subprocess.PIPE:
        read, write = os.pipe()
        return open(read, encoding="utf-8"), write  # noqa: PTH123 -- a descriptor
    return None, null if wanted == subprocess.DEVNULL else wanted
