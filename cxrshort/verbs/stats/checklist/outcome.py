"""What a check concludes: PASS, WARN, FAIL or NOT ASSESSABLE, with the fact behind it and where that stands.

What would invalidate a conclusion: PASS where nothing was there to look at. Only a check that has seen what it judges
passes; a study of which a part cannot be assessed does not pass for the rest.
"""

from collections.abc import Iterable
from dataclasses import dataclass

PASS = "PASS"
WARN = "WARN"
FAIL = "FAIL"
NOT_ASSESSABLE = "NOT ASSESSABLE"
STATUSES = (FAIL, WARN, NOT_ASSESSABLE, PASS)
"""From the worst on."""
SEPARATOR = "; "
"""Between the sources of several facts."""
_LISTED = 3
"""Facts of one status that are named."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold the conclusion of a check.

    Args:
        status: one of `STATUSES`.
        fact: what it rests on, as a clause.
        source: the file, and the field or column in it; "" where the fact is that there is none.
    """

    status: str
    fact: str
    source: str = ""


def not_assessable(missing: str) -> Outcome:
    """Return that what a check looks at is not there."""
    return Outcome(NOT_ASSESSABLE, missing)


def combine_outcomes(outcomes: Iterable[Outcome], *, missing: str) -> Outcome:
    """Return the worst of several outcomes, with the facts of all that are as bad.

    Args:
        outcomes: of the same check, such as one for each test set.
        missing: why there is none.

    Example:
        >>> combine_outcomes([Outcome("PASS", "a is large"), Outcome("FAIL", "b is small")], missing="no test set").fact
        'b is small'
        >>> combine_outcomes([], missing="no test set").status
        'NOT ASSESSABLE'
    """
    every = list(outcomes)
    if not every:
        return not_assessable(missing)
    status = min((outcome.status for outcome in every), key=STATUSES.index)
    worst = [outcome for outcome in every if outcome.status == status]
    facts = list(dict.fromkeys(outcome.fact for outcome in worst))
    sources = list(dict.fromkeys(outcome.source for outcome in worst if outcome.source))
    more = f"; and {len(facts) - _LISTED} more" if len(facts) > _LISTED else ""
    return Outcome(status, "; ".join(facts[:_LISTED]) + more, SEPARATOR.join(sources))
