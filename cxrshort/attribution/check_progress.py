"""What ``--sanity`` reports while it works: how many of its maps, and of its images with cells hidden, are done.

Both are counted over several scans, and apart, since they take different times: the time left is that of what is named.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cxrshort.compute import Compute

Report = Callable[[Mapping[str, Any]], None]
MAPS, IMAGES = "maps for the checks", "images with cells hidden"


class CheckProgress:
    """Count what is done over the scans of one unit of work.

    The first of several processes has a share of each scan, and counts for each of the others what it has done.

    Args:
        unit: what is counted, in the plural.
        count: how many there are at most; fewer, where maps turn out to be zero or broken.
        compute: the processes.
        report: takes an event after each batch.
    """

    def __init__(self, unit: str, count: int, *, compute: Compute, report: Report) -> None:
        self._unit, self._count, self._processes, self._report = unit, count, compute.processes, report
        self._done = 0

    def add(self, batch: int) -> None:
        """Report that a batch of so many is done."""
        self._done = min(self._done + batch * self._processes, self._count)
        self._report({"event": self._unit, "done": self._done, "of": self._count})
