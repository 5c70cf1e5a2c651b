"""What is compared runs in turns, so that a neighbour on the machine slows all of it alike."""

import statistics
from collections.abc import Callable

TURNS = 3


def in_turns(*works: Callable[[], float], turns: int = TURNS) -> list[float]:
    """Return the median of what each work measures, its seconds, over some turns after one warm-up."""
    for work in works:
        work()
    times = [[work() for work in works] for _ in range(turns)]
    return [statistics.median(column) for column in zip(*times, strict=True)]
