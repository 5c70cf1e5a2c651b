"""The table of checks, in the sections of Varoquaux & Cheplygina (npj Digit Med 5:48, 2022).

Another check is one function and one line here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cxrshort.verbs.stats.checklist import claims, data, metrics, procedures, publishing
from cxrshort.verbs.stats.checklist.outcome import Outcome
from cxrshort.verbs.stats.checklist.study import Study


@dataclass(frozen=True, slots=True)
class Check:
    """Hold a recommendation and the function that looks whether a study follows it.

    Args:
        name: by which people name it, such as ``"seeds"``.
        recommendation: what the paper asks for, in one line.
        judge: looks at the study.
    """

    name: str
    recommendation: str
    judge: Callable[[Study], Outcome]


SECTIONS: dict[str, tuple[Check, ...]] = {
    "Data, an imperfect window on the clinic": (
        Check("sources", "training data of several sources", data.check_sources),
        Check("criteria", "explicit inclusion and exclusion", data.check_criteria),
        Check("demographics", "sex, age and view of the images are known", data.check_demographics),
        Check("confounding", "metadata alone does not predict the label", data.check_confounding),
        Check("external-drop", "no fall of performance across sources", data.check_drop),
        Check("shortcuts", "no treatment or marker as a shortcut", data.check_shortcuts),
        Check("label-errors", "a subset was labelled again", data.check_labels),
        Check("subgroups", "no hidden subgroup is worse off", claims.check_subgroups),
        Check("dataset-tables", "data are described in tables", data.check_manifest_columns),
    ),
    "Improper evaluation procedures and leakage": (
        Check("split-by-person", "no person in two folds", procedures.check_split_by_person),
        Check("same-films", "no near-identical images in two folds", procedures.check_same_films),
        Check("leakage", "no leak between folds, and none in columns", procedures.check_leakage),
        Check("fitted-on-training", "nothing is fitted on all data", procedures.check_fitted_on_training),
        Check("splits-first", "test data set apart before training", procedures.check_splits_before_training),
        Check("selection", "the test set chooses nothing", procedures.check_selection),
        Check("looks", "no overfitting by the observer", procedures.check_looks),
        Check("external-test", "held-out datasets, not parts of one", procedures.check_external_test),
    ),
    "Metrics that do not reflect what we want": (
        Check("several-metrics", "metrics of several kinds", metrics.check_several_metrics),
        Check("f1-alone", "no F1 or accuracy alone", metrics.check_f1_alone),
        Check("averages", "averages with the count of each class", metrics.check_averages),
        Check("calibration", "calibration is measured", metrics.check_calibration),
        Check("benefit", "false alarms are weighed against misses", metrics.check_benefit),
        Check("rankings", "the choice of metric does not choose the winner", metrics.check_rankings),
        Check("stress", "robustness beyond the test set", metrics.check_stress),
        Check("failures", "failures are analysed, not only the winner", metrics.check_failures),
    ),
    "Incorrectly chosen baselines": (
        Check("baselines", "superior to simple baselines", claims.check_baselines),
        Check("ablations", "ablations, one setting at a time", publishing.check_ablations),
    ),
    "Statistical significance not tested, or misunderstood": (
        Check("size", "enough test data", claims.check_size),
        Check("intervals", "confidence intervals on every metric", metrics.check_intervals),
        Check("interval-unit", "intervals by person where persons repeat", metrics.check_interval_unit),
        Check("seeds", "variation over seeds and splits", claims.check_seeds),
        Check("claim", "a claim with its probability of being false", claims.check_claim),
        Check("noise", "a gain beyond the noise of the evaluation", claims.check_noise),
        Check("margin", "superiority by a margin", claims.check_margin),
        Check("multiplicity", "p-values corrected for their number", claims.check_multiplicity),
        Check("p-values", "p-values with effect size and interval", claims.check_p_values),
        Check("consensus", "methods compared over dozens of datasets", claims.check_consensus),
    ),
    "Publishing, distorted incentives": (
        Check("details", "settings, versions and machine are recorded", publishing.check_details),
        Check("reproducible", "trained twice, equal results", publishing.check_reproducible),
        Check("documents", "model card and datasheet", publishing.check_documents),
        Check("guidelines", "reporting guidelines", publishing.check_guidelines),
        Check("preregistration", "a plan before the predictions", publishing.check_preregistration),
        Check("cost", "cost of the computation", publishing.check_cost),
        Check("affected-groups", "groups that are affected took part", publishing.check_groups_heard),
        Check("clinical-outcome", "outcomes of patients, not scores alone", publishing.check_clinical_outcome),
        Check("negative-results", "negative results are reported", publishing.check_negative_results),
    ),
}
"""Checks by section of the paper."""


def all_checks() -> dict[str, Check]:
    """Return every check by its name."""
    return {check.name: check for checks in SECTIONS.values() for check in checks}
