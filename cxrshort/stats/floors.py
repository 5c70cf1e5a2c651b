"""Shortcut floors: the AUC that is reached without seeing anatomy, and whether a model is shown superior to it.

A model that is not superior to its floors has not shown that it sees disease.

What would invalidate the answers:

- A floor read as an accusation. Disease moves grey values and views too, so that a high floor proves no shortcut and a
  low one does not rule one out; see each floor within each view.
- Floors held against a model that was trained elsewhere. They are learned on this dataset, from other persons of it.
- Floors and model on different images. Each pair is of the same images.
- The test of superiority takes the floors as they were learned: it counts the test images, not what other folds would
  have taught.

Source: Ong Ly et al., npj Digit. Med. 7:124 (2024), for P_Est = P_source - P_shuffled + 0.5, within 4 % of the external
AUC on average in their data, where the same network was trained on shuffled pixels; here boosted trees are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.stats.auc import PairedComparison, auc_interval, compare_paired
from cxrshort.stats.changes import Interval
from cxrshort.stats.midranks import CheckedRows, check_rows
from cxrshort.stats.signed_rank import holm

PREVALENCE, PERSON, METADATA = "prevalence", "age, sex, view", "metadata"
HISTOGRAM, BORDERS, THUMBNAIL, SHUFFLED = "histogram", "border strips", "thumbnail", "shuffled pixels"
FLOORS: Mapping[str, str] = {
    PREVALENCE: "how frequent the label is, the same for every image",
    PERSON: "age, sex and view",
    METADATA: "age, sex, view and repository",
    HISTOGRAM: "the histogram of grey values, 64 bins",
    BORDERS: "the outer 5 % of each side, in 16 cells",
    THUMBNAIL: "the image at 16 x 16 pixels",
    SHUFFLED: "patterns of neighbouring pixels, after the pixels of each image were shuffled",
}
"""Each floor and what it sees."""
SUPERIOR, NOT_SHOWN = "superior", "not shown"
PERFECT = "perfect separation"
"""The reason of a paired comparison that has no variance to test with."""


@dataclass(frozen=True, slots=True)
class FloorComparison:
    """Hold a model against one floor, on the same images; the difference is model minus floor.

    Args:
        floor: one of `FLOORS`.
        model_auc: None where a class is missing.
        floor_auc: likewise.
        difference: likewise.
        low: lower limit; None where there is no test.
        high: upper limit.
        p_value: two-sided, by DeLong or Obuchowski.
        p_holm: corrected over the floors.
        finding: ``"superior"``; ``"not shown"``, which is no proof of equality; or empty where there is no test.
        reason: why there is no p-value.
        images: with both scores and an exact target.
        persons: among them.
    """

    floor: str
    model_auc: float | None
    floor_auc: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    finding: str
    reason: str
    images: int
    persons: int


def compare_with_floors(
    targets: ArrayLike,
    scores: ArrayLike,
    *,
    floors: Mapping[str, ArrayLike],
    clusters: ArrayLike,
    level: float = 0.95,
) -> list[FloorComparison]:
    """Test whether a model is superior to each floor on the same images, with Holm's correction.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        scores: (N,) of the model, without NaN.
        floors: (N,) scores by floor.
        clusters: (N,) persons.
        level: coverage of the intervals; a floor is beaten at a corrected p of at most 1 - level.

    Raises:
        DataError: NaN scores, a row without a person, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> targets, persons = np.repeat([0, 1], 30), np.arange(60)
        >>> (comparison,) = compare_with_floors(
        ...     targets, persons % 30 + 20 * targets, floors={"prevalence": np.zeros(60)}, clusters=persons
        ... )
        >>> f"{comparison.difference:.3f} {comparison.finding}"
        '0.444 superior'
    """
    pairs = {
        name: compare_paired(targets, before=floor, after=scores, clusters=clusters, level=level)
        for name, floor in floors.items()
    }
    rows = check_rows(targets, scores, clusters)
    adjusted = holm([pair.p_value for pair in pairs.values()])
    return [
        _comparison(
            name,
            pair,
            p,
            # Perfect separation leaves no variance to test with, but an exact bound.
            apart=pair.p_value is None and _lies_above(targets, scores, floors, name, clusters=clusters, level=level),
            rows=rows,
            level=level,
        )
        for (name, pair), p in zip(pairs.items(), adjusted, strict=True)
    ]


def _comparison(
    name: str, pair: PairedComparison, p: float | None, *, apart: bool, rows: CheckedRows, level: float
) -> FloorComparison:
    is_better = apart or (p is not None and p <= 1 - level and (pair.difference or 0.0) > 0)
    is_tested = p is not None or pair.reason == PERFECT
    finding = (SUPERIOR if is_better else NOT_SHOWN) if is_tested else ""
    reason = "the exact limits lie apart" if apart else "" if p is not None else pair.reason
    numbers = pair.difference, pair.low, pair.high, pair.p_value
    return FloorComparison(name, pair.after, pair.before, *numbers, p, finding, reason, len(rows.codes), rows.persons)


def _lies_above(
    targets: ArrayLike,
    scores: ArrayLike,
    floors: Mapping[str, ArrayLike],
    name: str,
    *,
    clusters: ArrayLike,
    level: float,
) -> bool:
    """Return whether the limits of a model's AUC lie above those of a floor's, at a level corrected for all floors."""
    corrected = 1 - (1 - level) / len(floors)
    above, below = (auc_interval(targets, values, clusters, level=corrected) for values in (scores, floors[name]))
    return above.low is not None and below.high is not None and above.low > below.high


def expected_external_auc(
    targets: ArrayLike, scores: ArrayLike, shuffled: ArrayLike, *, clusters: ArrayLike, level: float = 0.95
) -> Interval | None:
    """Return ``P_Est = P_source - P_shuffled + 0.5``, the AUC to be expected elsewhere, within [0, 1].

    Args:
        targets: (N,) truth.
        scores: (N,) of the model on images of its own dataset.
        shuffled: (N,) of the floor of shuffled pixels.
        clusters: (N,) persons.
        level: coverage in (0, 1).

    Returns:
        None where no difference has an interval.

    Raises:
        DataError: NaN scores, a row without a person, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> from cxrshort.stats.auc import auc
        >>> targets, persons = np.repeat([0, 1], 30), np.arange(60)
        >>> scores, shuffled = persons % 30 + 20 * targets, persons % 30 + 10 * targets
        >>> expected = expected_external_auc(targets, scores, shuffled, clusters=persons)
        >>> f"{expected.value:.3f} = {auc(targets, scores):.3f} - {auc(targets, shuffled):.3f} + 0.5"
        '0.667 = 0.944 - 0.778 + 0.5'
    """
    pair = compare_paired(targets, before=shuffled, after=scores, clusters=clusters, level=level)
    if pair.difference is None or pair.low is None or pair.high is None:
        return None
    value, low, high = (float(np.clip(number + 0.5, 0, 1)) for number in (pair.difference, pair.low, pair.high))
    return Interval(value, low, high)
