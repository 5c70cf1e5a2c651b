"""What forks the processes of :mod:`forks`: it imports torch and what the verbs need once, and then waits for orders.

It computes nothing before it forks, and has one thread, so that a fork begins as a new interpreter would behind its
imports. Of what a command does before those, nothing is tested here.
"""

import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
from typing import Any

VERBS = ("build_dataset", "evaluate", "explain", "roentmod.edit", "swap_test", "tea_distill", "train")
IMPORTED = ("torch._dynamo", "matplotlib.pyplot", "scipy.stats", *(f"cxrshort.verbs.{name}" for name in VERBS))
NUMBER = struct.Struct("i")
"""How a report writes the number of a process, and then its exit code."""


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork a process for every order, and return the order in that process; None once nobody can order any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the guards
    while True:
        order, descriptors, _, _ = socket.recv_fds(channel, 2**18, 4)
        if not order:
            return None
        if os.fork() == 0:
            channel.close()
            report = descriptors.pop()
            begun, begins = os.pipe()
            if process := os.fork():
                os.close(begins)
                os.read(begun, 1)  # ends when the process has its session, so that nobody looks before
                guard(process, report, [*descriptors, begun])
            for descriptor in (report, begun):
                os.close(descriptor)
            orders = begin(json.loads(order), descriptors)
            os.close(begins)
            return orders
        for descriptor in descriptors:
            os.close(descriptor)


def guard(process: int, report: int, descriptors: list[int]) -> None:
    """Report the number of a process, and how it ends; then end too."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for descriptor in descriptors:
        os.close(descriptor)
    os.write(report, NUMBER.pack(process))
    _, status = os.waitpid(process, 0)
    os.write(report, NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def begin(order: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
    """Take on the streams, the folder, the environment and the signals of the order."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    if order["session"]:
        os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    return order


def main() -> None:
    """Serve, and run the command line in every fork, to the end of its interpreter."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    order = serve(socket.socket(fileno=int(sys.argv[1])))
    if order is not None:
        from cxrshort.cli import app

        sys.argv = ["cxrshort", *order["arguments"]]
        app.main()


if __name__ == "__main__":
    main()
