"""The threshold of decisions: stated by the user, or chosen on validation images by one of four rules."""

from dataclasses import dataclass

from cxrshort.errors import UsageError
from cxrshort.stats.operating_points import (
    cheapest_threshold,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)
from cxrshort.verbs.stats.scores import Scores

_NUMBERS = ("threshold", "sensitivity", "specificity", "miss_cost")


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """Say what decides the threshold; at most one of the numbers is given, and none of them is Youden's index.

    Args:
        threshold: a probability that the user states.
        sensitivity: that validation images are to have.
        specificity: likewise.
        miss_cost: what a missed positive costs, in false alarms.

    Raises:
        UsageError: more than one number, or one out of range.
    """

    threshold: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    miss_cost: float | None = None

    def __post_init__(self) -> None:
        """Refuse what excludes each other."""
        stated = [name for name in _NUMBERS if getattr(self, name) is not None]
        if len(stated) > 1:
            options = " and ".join(f"--{name.replace('_', '-')}" for name in stated)
            raise UsageError(f"{options} exclude each other", "give one of them")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise UsageError(f"threshold '{self.threshold:g}' is not between 0 and 1", "it is a probability, try 0.5")

    @property
    def text(self) -> str:
        """Return the rule in words."""
        if self.threshold is not None:
            return "stated"
        if self.sensitivity is not None:
            return f"sensitivity {self.sensitivity:g}"
        if self.specificity is not None:
            return f"specificity {self.specificity:g}"
        return "Youden's index" if self.miss_cost is None else f"a miss costs {self.miss_cost:g} false alarms"

    def choose(self, validation: Scores, prevalence: float | None) -> float:
        """Return the score from which on validation images are positive."""
        sample = validation.targets, validation.scores
        if self.sensitivity is not None:
            return threshold_at_sensitivity(*sample, sensitivity=self.sensitivity)
        if self.specificity is not None:
            return threshold_at_specificity(*sample, specificity=self.specificity)
        if self.miss_cost is not None:
            return cheapest_threshold(*sample, miss_cost=self.miss_cost, prevalence=prevalence)
        return youden_threshold(*sample)
