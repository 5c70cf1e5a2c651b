"""Workers for joblib tasks: processes that end with this one, or a Dask cluster."""

import contextlib
import importlib
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar
from urllib.parse import urlsplit

from cxrshort.errors import MissingInputError, UsageError

P = ParamSpec("P")
R = TypeVar("R")

_PATIENCE_SECONDS = 10
"""How long a scheduler, and a first worker of it, may take to answer."""

_following = threading.Event()


@dataclass(frozen=True)
class Tethered(Generic[P, R]):
    """Call a function, in a process that ends with the one that asked for it.

    Processes of joblib wait five minutes for more work when the process that started them is killed.

    Args:
        function: what is called; defined at the top of a module.
        parent: process that asks for the work.
    """

    function: Callable[P, R]
    parent: int

    def __call__(self, *arguments: P.args, **options: P.kwargs) -> R:
        """Call the function."""
        _follow(self.parent)
        return self.function(*arguments, **options)


def tethered(function: Callable[P, R]) -> Tethered[P, R]:
    """Return ``function`` for ``joblib.delayed``, so that a worker process does not outlive this process.

    Threads, this process itself and the machines of a cluster call the function and nothing else.
    """
    return Tethered(function, os.getpid())


def _follow(parent: int) -> None:
    """End this process soon after ``parent`` when it is one of joblib's workers."""
    if _following.is_set() or not multiprocessing.current_process().name.startswith("LokyProcess"):
        return
    _following.set()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    # Asked again and again: the signal that Linux can send instead (PR_SET_PDEATHSIG) comes when the thread that
    # started the worker ends, not when its process does.
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Run the tasks of joblib on a Dask cluster within this block; on this machine when there is no address.

    The machines of the cluster must have cxrshort installed and see the same files under the same paths.

    Args:
        address: of the scheduler, such as ``tcp://10.0.0.5:8786``.

    Raises:
        UsageError: the package of Dask's scheduler is not installed, or the address is not one.
        MissingInputError: nothing answers there, or the cluster has no workers.
    """
    if address is None:
        yield
        return
    import joblib

    with _connect(address) as client, joblib.parallel_config(backend="dask", client=client):
        yield


def _connect(address: str) -> Any:
    try:
        distributed = importlib.import_module("distributed")
    except ModuleNotFoundError as error:
        if error.name != "distributed":
            raise
        raise UsageError(
            "--scheduler needs the package 'distributed', which is not installed", "pip install 'cxrshort[dask]'"
        ) from error
    _check_listening(address)
    client = distributed.Client(address, timeout=_PATIENCE_SECONDS, set_as_default=False)
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
    except TimeoutError as error:
        client.close()
        raise MissingInputError(
            f"the Dask cluster at '{address}' has no workers", f"start some with: dask worker {address}"
        ) from error
    return client


def _check_listening(address: str) -> None:
    """Refuse an address where nobody listens: a client of Dask would take half a minute to give up."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in ("tcp", "tls"):
        raise UsageError(f"--scheduler is '{address}', which is not an address", "such as tcp://host:8786")
    try:
        socket.create_connection((host, port), timeout=_PATIENCE_SECONDS).close()
    except OSError as error:
        raise MissingInputError(
            f"no Dask scheduler answers at '{address}'", "start one with: dask scheduler --port PORT"
        ) from error
