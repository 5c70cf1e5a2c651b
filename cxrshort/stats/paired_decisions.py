"""Right and wrong decisions of two models on the same images: accuracies, discordant images, test and claim.

What would invalidate the numbers:

- A threshold that was chosen on these images, or one threshold for scores on two scales.
- Accuracy where one class is rare: always saying no is right often. Read it beside the AUCs.
- Several images of one person without person ids.

Sources: McNemar, Psychometrika 12:153 (1947), exact; Obuchowski, Stat. Med. 17:1495 (1998), for persons with several
images; Agresti & Min, Stat. Med. 24:729 (2005), for the interval, on effective counts where persons repeat.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, norm

from cxrshort.errors import DataError
from cxrshort.stats.auc import check_level
from cxrshort.stats.changes import Interval, rate_interval
from cxrshort.stats.claims import FalseClaim, design_effect, false_claim_of_decisions
from cxrshort.stats.midranks import Floats, Integers, check_rows


@dataclass(frozen=True, slots=True)
class DecisionComparison:
    """Hold the decisions of two models on the same images; the difference is after minus before.

    Args:
        before: accuracy of the first model, with its interval.
        after: accuracy of the second model, with its interval.
        before_only: images that the first alone has right.
        after_only: images that the second alone has right.
        both: images that both have right.
        images: with an exact target.
        difference: of the accuracies.
        low: lower limit of the difference.
        high: upper limit.
        p_value: two-sided.
        method: how p was computed.
        claim: how doubtful it is that the second is right more often.
    """

    before: Interval
    after: Interval
    before_only: int
    after_only: int
    both: int
    images: int
    difference: float
    low: float
    high: float
    p_value: float
    method: str
    claim: FalseClaim


def compare_decisions(
    targets: ArrayLike,
    *,
    before: ArrayLike,
    after: ArrayLike,
    threshold: float,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> DecisionComparison:
    """Compare the decisions of two models at one threshold: a score of at least the threshold says 1.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        before: (N,) scores of the first model.
        after: (N,) scores of the second model.
        threshold: on the scale of the scores, chosen on other images.
        clusters: (N,) person ids; None where every image is a person of its own.
        level: coverage in (0, 1).

    Raises:
        DataError: no image, NaN scores, a row without a person, lengths that differ, a threshold that is no number.
        UsageError: a level outside (0, 1).

    Example:
        >>> decisions = compare_decisions([0, 0, 1, 1], before=[1, 0, 0, 1], after=[0, 0, 1, 1], threshold=0.5)
        >>> decisions.after_only, decisions.before_only, decisions.p_value
        (2, 0, 0.5)
    """
    check_level(level)
    if math.isnan(threshold):
        raise DataError("the threshold is not a number", "give it on the scale of the scores")
    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if first.shape != second.shape:
        raise DataError(f"{first.size} scores before and {second.size} after: they must be as many")
    rows = check_rows(targets, np.stack([first, second], axis=1), clusters)
    if not len(rows.positive):
        raise DataError("no target is 0 or 1: there is no decision to compare", "use images with exact targets")
    hits = (rows.scores >= threshold) == rows.positive[:, None]
    differences = hits[:, 1].astype(np.float64) - hits[:, 0]
    before_only, after_only = int((differences < 0).sum()), int((differences > 0).sum())
    low, high = _limits(differences, rows.codes, level)
    p, method = _test(differences, rows.codes, repeated=rows.repeated)
    return DecisionComparison(
        rate_interval(hits[:, 0], rows.codes, level=level),
        rate_interval(hits[:, 1], rows.codes, level=level),
        before_only,
        after_only,
        int(hits.all(axis=1).sum()),
        len(hits),
        float(differences.mean()),
        low,
        high,
        p,
        method,
        false_claim_of_decisions(hits[:, 1], hits[:, 0], clusters=rows.codes),
    )


def _limits(differences: Floats, codes: Integers, level: float) -> tuple[float, float]:
    """Return Agresti and Min's limits: half an image more in each of the four cells."""
    effect = design_effect(differences, codes)
    images = len(differences) / effect + 2
    gained, discordant = differences.sum() / effect, float(np.abs(differences).sum()) / effect + 1
    middle = gained / images
    half = float(norm.ppf(0.5 + level / 2)) * math.sqrt(max(0.0, discordant - gained**2 / images)) / images
    return max(-1.0, middle - half), min(1.0, middle + half)


def _test(differences: Floats, codes: Integers, *, repeated: bool) -> tuple[float, str]:
    if not repeated:
        after_only, discordant = int((differences > 0).sum()), int((differences != 0).sum())
        p = float(binomtest(after_only, discordant, 0.5).pvalue) if discordant else 1.0
        return p, "McNemar, exact"
    sums = np.bincount(codes, weights=differences)
    total, spread = float(sums.sum()), float(np.sqrt((sums**2).sum()))
    return (float(2 * norm.sf(abs(total) / spread)) if spread > 0 else 1.0), "McNemar by person (Obuchowski 1998)"
