"""The phantom datasets: where each class is filmed, and how strongly that gives the diagnosis away."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PhantomCohort:
    """Describe one phantom dataset.

    Args:
        summary: one line for help pages.
        negative: hospital and room where patients without COVID-19 are filmed at confounding 1.
        positive: the same for patients with COVID-19.
        confounding: the dataset's own, 0 to 1.
        population: name that seeds the patients; two datasets of one population show the same persons.
        exchanged: whether the two rooms are exchanged after patients were assigned to them.
    """

    summary: str
    negative: tuple[str, int]
    positive: tuple[str, int]
    confounding: float
    population: str
    exchanged: bool = False


DATASETS: Mapping[str, PhantomCohort] = {
    "phantom-I": PhantomCohort(
        "worst case: each class from its own hospital", ("site-a", 0), ("site-b", 0), 1.0, "phantom-I"
    ),
    "phantom-II": PhantomCohort(
        "two hospitals of one regional system, half confounded", ("site-c", 0), ("site-d", 0), 0.5, "phantom-II"
    ),
    "phantom-III": PhantomCohort(
        "both classes from the same two hospitals", ("site-e", 0), ("site-f", 0), 0.0, "phantom-III"
    ),
    "phantom-external": PhantomCohort(
        "an unseen hospital, style unrelated to COVID-19", ("site-g", 0), ("site-g", 1), 0.0, "phantom-external"
    ),
    "phantom-deceiving": PhantomCohort(
        "phantom-I with the styles of the classes exchanged", ("site-a", 0), ("site-b", 0), 1.0, "phantom-I", True
    ),
}
