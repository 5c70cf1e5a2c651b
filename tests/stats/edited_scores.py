"""Simulated logits of a classifier before and after edits, with findings that come along and planted shortcuts."""

from collections.abc import Mapping

import numpy as np

from cxrshort.stats.cooccurrence import Cooccurrence
from cxrshort.stats.finding_names import canonical
from cxrshort.stats.stress import EditedImages, ReferenceCohort, StressCell, stress_cells

NAMES = ("Cardiomegaly", "Edema", "Effusion", "Hernia")
GAIN = 2.0
"""Log-odds that a finding adds to its own logit."""


def cohort(rng: np.random.Generator, labels: int = len(NAMES)) -> ReferenceCohort:
    """Return real images, of which one in seven has every finding."""
    return ReferenceCohort(np.vstack([rng.normal(-0.3, 1, (600, labels)), rng.normal(GAIN, 1, (100, labels))]))


def edits(
    rng: np.random.Generator,
    shares: np.ndarray,
    *,
    persons: int,
    images: int = 1,
    shortcuts: Mapping[tuple[int, int], float] = {},
    with_sham: bool = True,
) -> list[EditedImages]:
    """Return one edit for each finding; the editor moves every logit by 0.15, and the sham too.

    Args:
        rng: the only source of randomness.
        shares: (L, L) of the edits of a row that show the finding of a column.
        persons: how many.
        images: of each person.
        shortcuts: log-odds that the presence of a finding adds to the logit of another one.
        with_sham: whether there is a sham edit.
    """
    labels, count = len(shares), persons * images
    own = rng.normal(-0.5, 0.8, (persons, labels)).repeat(images, axis=0)
    before = own + rng.normal(0, 0.2, (count, labels))
    trace = 0.15 + rng.normal(0, 0.3, (count, labels))
    names = np.repeat([f"P{person}" for person in range(persons)], images)
    made = []
    for added in range(labels):
        present = rng.random((count, labels)) < shares[added]
        after = before + trace + rng.normal(0, 0.3, (count, labels)) + GAIN * present
        for (sign, predicted), strength in shortcuts.items():
            after[:, predicted] += strength * present[:, sign]
        sham = before + trace + rng.normal(0, 0.3, (count, labels)) if with_sham else None
        made.append(EditedImages(NAMES[added], NAMES[added], names, before, after, sham))
    return made


def counted(shares: np.ndarray) -> Cooccurrence:
    """Return shares as readers would write them."""
    cells = {
        (canonical(NAMES[row]), canonical(NAMES[column])): float(share)
        for (row, column), share in np.ndenumerate(shares)
    }
    return Cooccurrence(cells, "readers")


def matrix(rng: np.random.Generator, shares: np.ndarray, **options: object) -> list[StressCell]:
    """Return the cells of one simulated matrix, with what comes along counted."""
    made = edits(rng, shares, **options)  # type: ignore[arg-type]
    return stress_cells(made, NAMES[: len(shares)], reference=cohort(rng, len(shares)), cooccurrence=counted(shares))
