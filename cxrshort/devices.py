"""Where and how exactly arithmetic runs: device, precision, threads, determinism, processes.

``--precision auto`` is a fixed rule, never a timing: bf16 where the hardware multiplies bf16 natively (CUDA with native
bf16, CPUs with AMX-bf16), else fp32. Several processes are those of torch.distributed: the same command under
``torchrun``; without its environment variables, a plain process.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from cxrshort import errors
from cxrshort.errors import CxrshortError, UsageError, WorkFailedError

PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class Compute:
    """Name the device, the precision of matrix products and the number of CPU threads.

    Args:
        device: ``"cpu"``, ``"cuda:0"``, ``"mps"``.
        precision: ``"fp32"`` or ``"bf16"``; parameters and losses stay fp32.
        threads: CPU threads of torch.
        rank: number of this process, from 0; the first one writes and prints.
        processes: how many work on the same run, see :func:`placed`.
    """

    device: str
    precision: str
    threads: int
    rank: int = 0
    processes: int = 1

    @property
    def torch_device(self) -> torch.device:
        """Return the device for torch."""
        return torch.device(self.device)

    def autocast(self) -> torch.autocast:
        """Return the context in which a network's products run in ``precision``."""
        return torch.autocast(
            self.torch_device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16", cache_enabled=True
        )

    def record(self) -> dict[str, str | int]:
        """Return the setting as JSON values, the same in every process."""
        # Each of several processes has another GPU; what counts is their kind.
        device = self.device if self.processes == 1 else self.torch_device.type
        return {"device": device, "precision": self.precision, "threads": self.threads}


def choose(device: str = "auto", *, precision: str = "auto", threads: int | None = None) -> Compute:
    """Turn the command line's words into a setting, and set torch's threads.

    Args:
        device: ``"auto"`` (CUDA if there is one, else CPU), ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
        threads: CPU threads; None leaves torch's own choice.

    Raises:
        UsageError: the device is not there, a word is not known, or there are no threads.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"'{precision}' is not a known precision", f"one of: {', '.join(PRECISIONS)}")
    chosen = _present(device)
    if threads is not None and threads < 1:
        raise UsageError(f"--threads is '{threads}', it must be 1 or more", "leave it out to use all cores")
    if threads is not None:
        torch.set_num_threads(threads)
    if precision == "auto":
        precision = "bf16" if _has_native_bf16(chosen) else "fp32"
    return Compute(str(chosen), precision, torch.get_num_threads())


def _present(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"'{name}' is not a known device", "one of: auto, cpu, cuda, cuda:N, mps") from error
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise UsageError(f"'{name}' is not available on this machine", "--device auto takes what there is")
    if device.type == "cuda":
        return torch.device("cuda", device.index or 0)
    return torch.device(device.type)


def _has_native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and "amx_bf16" in _cpu_flags()


def _cpu_flags() -> set[str]:
    """Return the processor's feature flags as Linux lists them; empty elsewhere."""
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return set()
    lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def gpu_memory(compute: Compute) -> dict[str, int]:
    """Return ``gpu_memory_mib``, the most that this process has held on its GPU so far; nothing where it has none."""
    if compute.torch_device.type != "cuda":
        return {}
    return {"gpu_memory_mib": round(torch.cuda.max_memory_allocated(compute.torch_device) / 2**20)}


@contextlib.contextmanager
def enough_memory(compute: Compute, *, images: int, hint: str = "") -> Iterator[None]:
    """Turn the allocators' ways to say that memory ran out into one clear error.

    Args:
        compute: where the work is done.
        images: number of images that are worked on at once.
        hint: what would help; by default what helps a batch that no option makes smaller.

    Raises:
        WorkFailedError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        elsewhere = "build the dataset with a smaller --size" if compute.device == "cpu" else "--device cpu"
        raise WorkFailedError(
            f"{compute.device} has no memory left for a batch of {images} images",
            hint or f"free the memory that other programs use, or {elsewhere}",
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out: accelerators have an error of their own, the CPU's allocator has a sentence."""
    return isinstance(
        error, torch.OutOfMemoryError | MemoryError
    ) or "DefaultCPUAllocator: can't allocate memory" in str(error)


def rank() -> int:
    """Return the number of this process among those that ``torchrun`` started; 0 in a plain process."""
    return _environment()[0]


def placed(compute: Compute) -> Compute:
    """Return the setting of this process among those that ``torchrun`` started: its rank, and a GPU of its own.

    Raises:
        UsageError: more processes than GPUs, or a device that serves one process only.
    """
    here, count, local = _environment()
    if count == 1:
        return compute
    kind = compute.torch_device.type
    if kind == "mps":
        raise UsageError("'mps' serves one process only", "--device cpu, or leave torchrun out")
    if kind != "cuda":
        return replace(compute, rank=here, processes=count)
    if local >= torch.cuda.device_count():
        raise UsageError(
            f"process '{local}' of this machine has no GPU, there are {torch.cuda.device_count()}",
            "lower torchrun's --nproc-per-node",
        )
    torch.cuda.set_device(local)
    return replace(compute, device=f"cuda:{local}", rank=here, processes=count)


def _environment() -> tuple[int, int, int]:
    """Return rank, number of processes and rank on this machine, as torchrun's environment variables say.

    Raises:
        UsageError: one of them is not a number.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if not all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")):
        return 0, 1, 0
    try:
        here, count, local = (int(os.environ.get(name, os.environ["RANK"])) for name in names)
    except ValueError as error:
        words = ", ".join(f"{name}={os.environ.get(name, '')}" for name in names)
        raise UsageError(f"'{words}' are not the numbers that torchrun sets", "start it with torchrun") from error
    return here, count, local


@contextlib.contextmanager
def joined(compute: Compute) -> Iterator[None]:
    """Connect the processes that work on the same run, while the block runs.

    Args:
        compute: as :func:`placed` returned it.
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
    """Say in one line what a broken connection between processes means.

    Raises:
        WorkFailedError: another process has ended.
    """
    try:
        yield
    except CxrshortError:
        raise
    except RuntimeError as error:
        raise WorkFailedError(f"process {rank()} has lost the others", "the one that ended first says why") from error


def add_up(tensor: Tensor, compute: Compute) -> Tensor:
    """Add a tensor up over all processes, in place, and return it; the bytes are the same in all of them."""
    if compute.processes > 1:
        with _lost_peers():
            distributed.all_reduce(tensor)
    return tensor


def any_of(flags: Tensor, compute: Compute) -> Tensor:
    """Return where any process has a flag, (N,) bool on the CPU; no GPU is waited for."""
    if compute.processes > 1:
        known = flags.to("cpu", torch.uint8)
        with _lost_peers():
            distributed.all_reduce(known, distributed.ReduceOp.MAX)
        return known.bool()
    return flags.bool()


def first_alone(action: Callable[[], None], compute: Compute) -> None:
    """Let the first process act while the others wait; what it raises on purpose is raised in all of them."""
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
    failure = told_by_first(failure)
    if failure["kind"]:
        kind: type[CxrshortError] = getattr(errors, failure["kind"])
        raise kind(failure["message"], failure["hint"])


def told_by_first(words: dict[str, Any]) -> dict[str, Any]:
    """Return the first process's words in all of them; as JSON, since torch's own way is pickle."""
    text = torch.frombuffer(bytearray(json.dumps(words).encode()), dtype=torch.uint8)
    length = torch.tensor([len(text)])
    with _lost_peers():
        distributed.broadcast(length, 0)
        told = text if distributed.get_rank() == 0 else torch.empty(int(length), dtype=torch.uint8)
        distributed.broadcast(told, 0)
    heard: dict[str, Any] = json.loads(bytes(told.tolist()))
    return heard


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """Make torch use only operations that give the same bytes for the same input, while the block runs.

    ``CUBLAS_WORKSPACE_CONFIG`` stays set afterwards: cuBLAS reads it once, when a process first multiplies on a GPU.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark


def generator(*counters: int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a generator whose state is a function of the counters alone (seed, epoch, step).

    The counters are mixed by a fixed integer hash (splitmix64), so that neighbouring steps get unrelated streams.
    """
    state = 0
    for counter in counters:
        state = _splitmix64(state ^ (counter & _MASK64))
    return torch.Generator(device).manual_seed(state & (2**63 - 1))


@contextlib.contextmanager
def seeded(*counters: int, device: torch.device) -> Iterator[None]:
    """Make what a network draws on its own, as dropout does, a function of the counters while the block runs.

    Such draws come from torch's global generators, which are as before afterwards.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(generator(*counters).initial_seed())
        yield


_MASK64 = 2**64 - 1


def _splitmix64(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)
