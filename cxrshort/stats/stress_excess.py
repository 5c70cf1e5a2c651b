"""The change of a prediction that co-occurrence does not explain, as a mean over persons.

A finding q that comes along in a share C of the edits that add p raises a faultless model's percentile, on average, by
C / A of what adding q itself does to the same persons, A being how often q is there when it was asked for. Where no
edit adds q, real images with and without q stand for that. The rest is the excess, tested by a t-test over persons with
the error of what is taken off: a test of means, since shares of a mean add up, and of a median they do not.

What would invalidate it: edits of different persons for p and q (they are matched, and others left out), a
co-occurrence of another editor, and fewer than some ten persons with changes that are far from normal (the signed-rank
test beside it is for that).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from cxrshort.stats.changes import Interval
from cxrshort.stats.midranks import Floats

NOT_COUNTED = "nobody has counted how often it comes along with the added finding"
NOT_MEASURED = "it comes along, and nothing shows how much that changes"

MeanChange = tuple[float, float]
"""A mean change and its standard error, in percentile points."""


@dataclass(frozen=True, slots=True)
class Excess:
    """Hold the mean change of a cell beyond what co-occurrence explains, in percentile points.

    Args:
        mean: over persons, with limits; these are NaN for one person.
        explained: the mean change that co-occurrence explains.
        p: of the two-sided t-test; None for fewer than two persons.
        error: standard error of the mean.
        persons: how many.
        missing: why part of it may be explained after all, as a clause; "" where everything is known.
    """

    mean: Interval
    explained: float
    p: float | None
    error: float
    persons: int
    missing: str = ""


def excess_change(
    changes: Mapping[int, float],
    share: float | None,
    *,
    own: Mapping[int, float],
    adherence: float = 1.0,
    labelled: MeanChange | None = None,
    level: float = 0.95,
) -> Excess:
    """Return the mean change that co-occurrence does not explain.

    Args:
        changes: of the predicted finding by person, where another finding was added; at least one.
        share: of these edits that show the predicted finding; None where nobody has counted.
        own: its changes by person where it was itself added; empty where no edit adds it.
        adherence: how often it is there when it was asked for, above 0.
        labelled: what it means in real images, taken where ``own`` is empty; None where that is not known either.
        level: coverage of the limits.

    Example:
        >>> excess = excess_change({1: 9.0, 2: 11.0, 3: 10.0}, 0.25, own={1: 36.0, 2: 44.0, 3: 40.0})
        >>> excess.mean.value, excess.explained
        (0.0, 10.0)
    """
    values, explained, further, missing = np.array(list(changes.values())), 0.0, 0.0, ""
    if share is None:
        missing = NOT_COUNTED
    elif share > 0 and (matched := sorted(changes.keys() & own.keys())):
        taken_off = share / adherence * np.array([own[person] for person in matched])
        values = np.array([changes[person] for person in matched]) - taken_off
        explained = float(taken_off.mean())
    elif share > 0 and labelled is not None:
        explained, further = share * labelled[0], share * labelled[1]
        values = values - explained
    elif share > 0:
        missing = NOT_MEASURED
    mean, error, p = mean_test(values, further, level=level)
    return Excess(mean, explained, p, error, len(values), missing)


def mean_test(values: Floats, further: float = 0.0, *, level: float = 0.95) -> tuple[Interval, float, float | None]:
    """Return the mean with its limits, its standard error, and the p-value of the two-sided t-test against 0.

    Args:
        values: (n,) one per person, at least one.
        further: standard error of what was taken off all of them alike.
        level: coverage of the limits.

    Returns:
        The limits are NaN and p is None for one person. Where all values are equal, p is that of the sign test.
    """
    count, mean = len(values), float(values.mean())
    if count < 2:
        return Interval(mean, math.nan, math.nan), math.nan, None
    error = math.hypot(float(values.std(ddof=1)) / math.sqrt(count), further)
    if error == 0:
        return Interval(mean, mean, mean), 0.0, 1.0 if mean == 0 else min(1.0, 2.0 ** (1 - count))
    reach = float(t.ppf((1 + level) / 2, count - 1)) * error
    return Interval(mean, mean - reach, mean + reach), error, float(2 * t.sf(abs(mean) / error, count - 1))


def smallest_excess(error: float, persons: int, *, level: float, margin: float, power: float = 0.8) -> float:
    """Return the smallest mean excess that so many persons would have shown: significant, and at least the margin.

    Args:
        error: standard error of the mean.
        persons: how many, at least two.
        level: error of the first kind, two-sided; over m cells give level / m, Holm's hardest step.
        margin: which the observed excess must reach too.
        power: the chance to show an excess of this size.

    Example:
        >>> round(smallest_excess(1.0, 1000, level=0.05, margin=0.0), 2)
        2.8
        >>> round(smallest_excess(1.0, 1000, level=0.05, margin=10.0), 2)
        10.84
    """
    least = max(margin, float(t.ppf(1 - level / 2, persons - 1)) * error)
    return least + float(t.ppf(power, persons - 1)) * error
