"""How often 95 % intervals of an AUC hold the truth: the logit interval alone against what the package gives.

    python tests/studies/auc_coverage.py [RUNS]

Persons have one image or one to four, which share 60 % of their variance; a share of the persons is positive, rounded.
Scores are normal, so that the true AUC is known: those of positives scatter ``ratio`` times as much as those of
negatives. With ``ties`` scores are rounded to halves, and the truth is measured on 4 million pairs. With ``flips``
a fifth of the images has the other class than its person, so that persons hold both classes. 2,000 runs take about
three minutes on one core; the standard error of a coverage of 95 % is then 0.5 points.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from cxrshort.stats.auc import auc, auc_interval
from cxrshort.stats.auc_limits import logit_limits

SHARED = 0.6


@dataclass(frozen=True)
class Cell:
    """Hold one situation."""

    persons: int
    prevalence: float
    auc: float
    most_images: int = 1
    ratio: float = 1.0
    ties: bool = False
    flips: bool = False


CELLS = [
    # Few positives, images independent.
    Cell(50, 0.1, 0.8),
    Cell(50, 0.1, 0.95),
    Cell(100, 0.05, 0.9),
    Cell(200, 0.1, 0.8),
    Cell(200, 0.1, 0.95),
    Cell(200, 0.1, 0.99),
    Cell(1000, 0.1, 0.99),
    Cell(1000, 0.05, 0.9),
    # Persons with one to four images.
    Cell(50, 0.1, 0.95, 4),
    Cell(50, 0.2, 0.95, 4),
    Cell(200, 0.1, 0.8, 4),
    Cell(200, 0.1, 0.95, 4),
    Cell(200, 0.1, 0.99, 4),
    Cell(1000, 0.1, 0.8, 4),
    Cell(1000, 0.1, 0.99, 4),
    # Many positives, where nothing should change.
    Cell(50, 0.5, 0.7),
    Cell(200, 0.5, 0.6),
    Cell(200, 0.5, 0.95),
    Cell(1000, 0.5, 0.8),
    Cell(200, 0.5, 0.7, 4),
    Cell(10_000, 0.05, 0.95),
    # Where the model of the variance is wrong.
    Cell(200, 0.1, 0.8, ratio=2.0),
    Cell(200, 0.1, 0.8, ratio=0.5),
    Cell(200, 0.1, 0.95, ratio=2.0),
    Cell(200, 0.1, 0.95, ratio=0.5),
    Cell(200, 0.1, 0.95, ratio=3.0),
    Cell(200, 0.1, 0.99, 4, ratio=2.0),
    Cell(50, 0.1, 0.95, 4, ratio=2.0),
    Cell(50, 0.1, 0.8, ties=True),
    Cell(200, 0.1, 0.95, ties=True),
    Cell(200, 0.1, 0.9, 4, flips=True),
    Cell(200, 0.3, 0.8, 4, flips=True),
]


def draw(cell: Cell, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return targets, scores and persons of one test set."""
    images = rng.integers(1, cell.most_images + 1, cell.persons)
    person = np.repeat(np.arange(cell.persons), images)
    targets = person < max(2, round(cell.prevalence * cell.persons))
    if cell.flips:
        targets = targets ^ (rng.random(len(person)) < 0.2)
    shared = rng.normal(size=cell.persons)[person]
    noise = math.sqrt(SHARED) * shared + math.sqrt(1 - SHARED) * rng.normal(size=len(person))
    shift = norm.ppf(cell.auc) * math.hypot(1, cell.ratio)
    scores = np.where(targets, shift + cell.ratio * noise, noise)
    return targets, np.round(scores * 2) / 2 if cell.ties else scores, person


def truth(cell: Cell) -> float:
    """Return the AUC of the population."""
    if not cell.ties:
        return cell.auc
    targets, scores, _ = draw(Cell(4000, 0.5, cell.auc, ties=True), np.random.default_rng(1))
    return auc(targets, scores) or 0.0


def measure(cell: Cell, runs: int, seed: int) -> list[float]:
    """Return coverage, misses above and mean width of the logit interval and of the package's, in percent and AUC."""
    rng, true = np.random.default_rng(seed), truth(cell)
    z = float(norm.ppf(0.975))
    held, above, width, cautious = np.zeros(2), np.zeros(2), np.zeros(2), 0
    for _ in range(runs):
        actual = auc_interval(*draw(cell, rng))
        limits = [(actual.low, actual.high)] * 2
        if actual.standard_error is not None:
            limits[0] = logit_limits(actual.auc, actual.standard_error, z)
        low, high = np.array(limits, dtype=float).T
        held += (low <= true) & (true <= high)
        above += true < low
        width += high - low
        cautious += bool(actual.caution or actual.standard_error is None)
    return [*(100 * held / runs), *(100 * above / runs), *(width / runs), 100 * cautious / runs]


HEADER = (
    ("persons", "positive", "AUC", "images", "what")
    + ("covers: logit", "now", "too high: logit", "now", "width: logit", "now")
    + ("with a caution",)
)


def row(cell: Cell, *, runs: int, seed: int) -> list[str]:
    """Return a line of the table."""
    covers, covers_now, high, high_now, width, width_now, cautious = measure(cell, runs, seed)
    what = [f"SD x {cell.ratio:g}"] * (cell.ratio != 1) + ["ties"] * cell.ties + ["both classes"] * cell.flips
    images = "1" if cell.most_images == 1 else f"1-{cell.most_images}"
    described = [f"{cell.persons:,}", f"{cell.prevalence:.0%}", f"{cell.auc:g}", images, ", ".join(what)]
    shares = [f"{share:.1f}" for share in (covers, covers_now, high, high_now)]
    return [*described, *shares, f"{width:.3f}", f"{width_now:.3f}", f"{cautious:.0f} %"]


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    show(HEADER)
    show(["---"] * len(HEADER))
    for number, cell in enumerate(CELLS):
        show(row(cell, runs=runs, seed=number))


def show(cells: Sequence[str]) -> None:
    """Write a line of the table."""
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
