"""Processes that work on the same run, as ``torchrun`` starts them: ranks, the process group, collective operations.

The same command under ``torchrun``; without its environment variables, a plain process.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, distributed

from cxrshort import errors
from cxrshort.compute import Compute
from cxrshort.errors import CxrshortError, UsageError, WorkFailedError


def rank() -> int:
    """Return the number of this process among those that ``torchrun`` started; 0 in a plain process."""
    return _environment()[0]


def with_rank(compute: Compute) -> Compute:
    """Return the setting of this process among those that ``torchrun`` started: its rank, and a GPU of its own.

    Raises:
        UsageError: more processes than GPUs, or a device that serves one process only.
    """
    process_rank, count, local = _environment()
    if count == 1:
        return compute
    kind = compute.torch_device.type
    if kind == "mps":
        raise UsageError("'mps' serves one process only", "--device cpu, or leave torchrun out")
    if kind != "cuda":
        return replace(compute, rank=process_rank, processes=count)
    if local >= torch.cuda.device_count():
        raise UsageError(
            f"process '{local}' of this machine has no GPU, there are {torch.cuda.device_count()}",
            "lower torchrun's --nproc-per-node",
        )
    torch.cuda.set_device(local)
    return replace(compute, device=f"cuda:{local}", rank=process_rank, processes=count)


def _environment() -> tuple[int, int, int]:
    """Return rank, number of processes and rank on this machine, as torchrun's environment variables say.

    Raises:
        UsageError: one of them is not a number.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if not all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")):
        return 0, 1, 0
    try:
        process_rank, count, local = (int(os.environ.get(name, os.environ["RANK"])) for name in names)
    except ValueError as error:
        words = ", ".join(f"{name}={os.environ.get(name, '')}" for name in names)
        raise UsageError(f"'{words}' are not the numbers that torchrun sets", "start it with torchrun") from error
    return process_rank, count, local


@contextlib.contextmanager
def process_group(compute: Compute) -> Iterator[None]:
    """Connect the processes that work on the same run, while the block runs.

    Args:
        compute: as :func:`with_rank` returned it.
    """
    if compute.processes == 1:
        yield
        return
    # Imported before the group exists: its functions keep the group of that moment as a default argument. A group that
    # is kept alive never joins its threads, and a thread that still lets go of a tensor while the interpreter shuts
    # down aborts the process ("terminate called without an active exception", one run of two processes in 22).
    import torch.distributed.nn  # noqa: F401  # imported for what it does to the defaults

    # Flags and messages travel between CPUs even where gradients travel between GPUs.
    backend = "cpu:gloo,cuda:nccl" if compute.torch_device.type == "cuda" else "gloo"
    with _lost_peers():
        distributed.init_process_group(backend, rank=compute.rank, world_size=compute.processes)
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def _lost_peers() -> Iterator[None]:
    """Turn a broken connection between processes into one clear error.

    Raises:
        WorkFailedError: another process has ended.
    """
    try:
        yield
    except CxrshortError:
        raise
    except RuntimeError as error:
        raise WorkFailedError(
            f"process {rank()} has lost its connection to the other processes",
            "the process that ended first gives the reason",
        ) from error


def all_reduce(tensor: Tensor, compute: Compute) -> Tensor:
    """Sum a tensor over all processes, in place, and return it; the bytes are the same in all of them."""
    if compute.processes > 1:
        with _lost_peers():
            distributed.all_reduce(tensor)
    return tensor


def any_rank(flags: Tensor, compute: Compute) -> Tensor:
    """Return where any process has a flag, (N,) bool on the CPU; no GPU is waited for."""
    if compute.processes > 1:
        reduced = flags.to("cpu", torch.uint8)
        with _lost_peers():
            distributed.all_reduce(reduced, distributed.ReduceOp.MAX)
        return reduced.bool()
    return flags.bool()


def on_first_rank(action: Callable[[], None], compute: Compute) -> None:
    """Act in the first process while the others wait; what it raises on purpose is raised in all of them."""
    failure = {"kind": "", "message": "", "hint": ""}
    if compute.rank == 0:
        try:
            action()
        except CxrshortError as error:
            if compute.processes == 1:
                raise
            failure = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
    if compute.processes == 1:
        return
    failure = broadcast(failure)
    if failure["kind"]:
        kind: type[CxrshortError] = getattr(errors, failure["kind"])
        raise kind(failure["message"], failure["hint"])


def broadcast(message: dict[str, Any]) -> dict[str, Any]:
    """Return the first process's message in all processes; as JSON, since torch itself would pickle it."""
    text = torch.frombuffer(bytearray(json.dumps(message).encode()), dtype=torch.uint8)
    length = torch.tensor([len(text)])
    with _lost_peers():
        distributed.broadcast(length, 0)
        encoded = text if distributed.get_rank() == 0 else torch.empty(int(length), dtype=torch.uint8)
        distributed.broadcast(encoded, 0)
    decoded: dict[str, Any] = json.loads(bytes(encoded.tolist()))
    return decoded
