"""How busy other processes keep the cores of this machine, and what training can do about it.

OpenMP's threads, which torch computes with, wait for each other after every parallel loop. They wait by spinning, which
is fastest as long as each has a core to itself. Beside another busy process one thread must share its core, and the
others spin until it is done. With ``GOMP_SPINCOUNT=1000``, read once, when torch is loaded, they soon go to sleep. The
order of sums, and with it every byte of a result, depends on the number of threads alone, not on how they wait.

Images per second of ResNet-18 at 64 px (batch 32, two cores with AMX; two runs or more of 5 s each), without another
busy process and beside one:

=======================  ============  ===========  ============  ===========
threads                  fp32, quiet   fp32, busy   bf16, quiet   bf16, busy
=======================  ============  ===========  ============  ===========
two threads              163 to 181    29 to 55     233 to 269    16 to 54
GOMP_SPINCOUNT=100000    167           37           254 to 273    34 to 43
GOMP_SPINCOUNT=10000     156 to 166    71 to 73     257 to 259    35 to 40
GOMP_SPINCOUNT=1000      158 to 159    83 to 88     209 to 217    37 to 47
GOMP_SPINCOUNT=0         136 to 148    87 to 90     180 to 214    37 to 40
OMP_WAIT_POLICY=passive  142 to 148    83 to 91     208 to 214    33 to 39
one thread               89 to 92      86 to 87     139 to 143    135 to 142
=======================  ============  ===========  ============  ===========

No count is both under 5 % slower on a quiet machine and half as fast beside another process. So it is set only where
the machine is busy at the start, and only in fp32: in bf16 none of them helps. One thread on the free core keeps half
the speed in both, but gives other bytes than two, so that choice is left to the user.
"""

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SPIN_COUNT = "1000"
_VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""What says how OpenMP's threads wait; whoever has set one of them has decided."""

_CROWDED = 0.25
"""Share of the cores that other processes use from which the machine counts as busy; measured at a half."""

_LOOK = 0.25
"""Seconds; the kernel counts in hundredths."""

_STATISTICS = Path("/proc/stat")


class Load(NamedTuple):
    """Measure how much of the cores that this process may use other processes use.

    Args:
        others: cores, such as 1.0 for one that is always busy.
        cores: how many this process may use.
    """

    others: float
    cores: int

    @property
    def crowded(self) -> bool:
        """Return whether training with a thread per core is markedly slower than on a quiet machine."""
        return self.others > _CROWDED * self.cores

    @property
    def free(self) -> int:
        """Return how many threads have a core to themselves, at least 1."""
        return max(1, self.cores - round(self.others))

    def __str__(self) -> str:
        """Return it in words."""
        return f"other processes keep {self.others:.1f} of {self.cores} cores busy"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def look(seconds: float = _LOOK) -> Load | None:
    """Watch the cores for a moment; None where the system keeps no statistics of them (all but Linux)."""
    try:
        before, own, begun = _busy_seconds(), time.process_time(), time.monotonic()
        time.sleep(seconds)
        after, own, passed = _busy_seconds(), time.process_time() - own, time.monotonic() - begun
    except OSError:
        return None
    return Load(max(0.0, after - before - own) / passed, cores())


def _busy_seconds() -> float:
    return busy_ticks(_STATISTICS.read_text().splitlines(), os.sched_getaffinity(0)) / os.sysconf("SC_CLK_TCK")


def busy_ticks(statistics: Iterable[str], core_numbers: Iterable[int]) -> int:
    """Return for how many ticks since its start the system has used some cores.

    Args:
        statistics: the lines of /proc/stat; those of a core are user, nice, system, idle, iowait, irq, softirq and
            steal time (proc(5)). Cores count as used while they are neither idle nor waiting for a disk.
        core_numbers: numbers of the cores.

    Example:
        >>> busy_ticks(["cpu 99 0 0 99 0 0 0 0", "cpu0 5 1 2 90 7 0 1 3 0 0", "cpu1 50 0 0 1 0 0 0 0 0 0"], [0])
        12
    """
    names = {f"cpu{number}" for number in core_numbers}
    fields = (line.split() for line in statistics)
    times = ([int(field) for field in values[:8]] for name, *values in filter(None, fields) if name in names)
    return sum(sum(ticks) - ticks[3] - ticks[4] for ticks in times)


def prepare(*, precision: str, threads: int | None) -> str:
    """Choose how torch's threads wait, before torch is loaded, and return a note on a busy machine, or "".

    Args:
        precision: as on the command line: auto, fp32 or bf16.
        threads: as on the command line; None is one per core.
    """
    # Processes under torchrun have one thread each and would take each other for strangers.
    single = 1 in (threads, cores()) or os.environ.get("OMP_NUM_THREADS") == "1" or "RANK" in os.environ
    load = None if single or "torch" in sys.modules else look()
    if load is None or not load.crowded or (threads is not None and threads <= load.free):
        return ""
    waiting = ""
    if not (has_amx_bf16() if precision == "auto" else precision == "bf16") and not set(_VARIABLES) & set(os.environ):
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
        waiting = f"; torch's threads sleep while they wait (GOMP_SPINCOUNT={SPIN_COUNT})"
    return f"{load}, which slows this down{waiting}; a new run with --threads {load.free} has fewer to wait for"


def has_amx_bf16() -> bool:
    """Return whether the processor multiplies bf16 natively (AMX), as Linux lists its features; elsewhere not."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return "amx_bf16" in next((line for line in lines if line.startswith("flags")), "").split()


class SlowEpochs:
    """Notice epochs that take far longer than the fastest while other processes use the machine."""

    def __init__(self) -> None:
        self._fastest = float("inf")

    def note(self, seconds: float) -> str:
        """Return a note on an epoch that took so many seconds, or ""; the machine is looked at only where it is slow.

        Epochs of under half a minute are too short to be worth a word.
        """
        self._fastest = min(self._fastest, seconds)
        load = look() if seconds > max(30, 1.5 * self._fastest) else None
        if load is None or not load.crowded:
            return ""
        return (
            f"{load}, and this epoch took {seconds / self._fastest:.1f} times as long as the fastest; "
            "Ctrl-C saves a checkpoint, from which --resume continues when they are done"
        )
