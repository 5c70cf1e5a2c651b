"""Device, precision, threads and determinism of computations.

``--precision auto`` is a fixed rule, never a timing: bf16 where the hardware multiplies bf16 natively (CUDA with native
bf16, CPUs with AMX-bf16), else fp32.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from cxrshort import contention
from cxrshort.errors import UsageError, WorkFailedError

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


def choose_compute(device: str = "auto", *, precision: str = "auto", threads: int | None = None) -> Compute:
    """Choose device, precision and threads from the options of the command line, and set torch's threads.

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
    if chosen.type == "cpu":
        keep_freed_memory()
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
    return device.type == "cpu" and contention.has_amx_bf16()


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's parameters in ``malloc.h``."""
_KEPT_BYTES, _LARGEST_KEPT_BLOCK = 2**30, 2**25
"""How much free memory stays at the end of the heap, and the largest block of the heap that glibc allows."""


def keep_freed_memory() -> bool:
    """Let glibc keep the memory that tensors free, and return whether it does.

    By default it gives memory back to the system after every batch and takes it again for the next, in pages that the
    system clears one by one. Whether that happens depends on chance; where it did, 1,000 images of 64 px took a small
    network 1.8 times as long, and DenseNet-121 at 224 px 1.15 times, at the same peak of memory. Settings of the
    environment (``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_THRESHOLD_``, ``GLIBC_TUNABLES``) come first, and other
    systems are left alone.
    """
    own = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
    if sys.platform != "linux" or any(name in os.environ for name in own):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not every C library of Linux has it
    if mallopt is None:
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES) and mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BLOCK))


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
        if not is_out_of_memory(error):
            raise
        elsewhere = "build the dataset with a smaller --size" if compute.device == "cpu" else "--device cpu"
        raise WorkFailedError(
            f"{compute.device} has no memory left for a batch of {images} images",
            hint or f"free the memory that other programs use, or {elsewhere}",
        ) from error


_CPU_IS_FULL = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")
"""What torch's allocator says on Linux and macOS, and on Windows."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out: accelerators have an error of their own, the CPU's allocator has a sentence."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        sentence in str(error) for sentence in _CPU_IS_FULL
    )


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


def seeded_generator(*counters: int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a generator whose state is a function of the counters alone (seed, epoch, step).

    The counters are mixed by a fixed integer hash (splitmix64), so that neighbouring steps get unrelated streams.
    """
    state = 0
    for counter in counters:
        state = _splitmix64(state ^ (counter & _MASK64))
    return torch.Generator(device).manual_seed(state & (2**63 - 1))


@contextlib.contextmanager
def seeded_draws(*counters: int, device: torch.device) -> Iterator[None]:
    """Seed what a network draws on its own, as dropout does, from the counters while the block runs.

    Such draws come from torch's global generators, which are as before afterwards.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seeded_generator(*counters).initial_seed())
        yield


_MASK64 = 2**64 - 1


def _splitmix64(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)
