"""Facts of internal and external testing are those of the evaluation, with intervals."""

from pathlib import Path

import pandas as pd
import pytest

from cxrshort.verbs.stats.reports import testing_facts as facts

from ..scored import predictions
from ..studies import EVALUATION, INSIDE, change_run, load, write_run

MAKERS = [
    facts.metrics,
    facts.uncertainty,
    facts.internal_testing,
    facts.external_testing,
    facts.performance,
    facts.gaps,
    facts.explanations,
    facts.shortcuts,
    facts.robustness,
    facts.failures,
    facts.fairness,
    facts.updating,
    facts.calibrations,
    facts.caution,
]


@pytest.mark.parametrize("make", MAKERS)
def test_dataset_alone_proves_no_test(study: Path, make) -> None:
    assert make(load(study / INSIDE)) == []


def test_numbers_are_those_of_the_evaluation(study: Path) -> None:
    loaded = load(study)
    means = pd.read_csv(study / EVALUATION / "means.csv")
    means = means[means["label"] == "COVID-19"].set_index("role")
    for role, make in (("internal", facts.internal_testing), ("external", facts.external_testing)):
        (fact,) = make(loaded)
        row = means.loc[role]
        assert fact.text.startswith(
            f"{role} testing of phantom-I/small-cnn/erm, epochs=1 on dataset {row['dataset']}: "
        )
        assert f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}], mean of 2 models" in fact.text
        assert fact.proof == f"{(study / EVALUATION).as_posix()}/means.csv: mean"
    (gap,) = facts.gaps(loaded)
    row = pd.read_csv(study / EVALUATION / "gaps.csv").set_index("label").loc["COVID-19"]
    assert gap.text.endswith(f"{row['gap']:.3f} [{row['low']:.3f}, {row['high']:.3f}]")
    assert facts.performance(loaded) == [*facts.internal_testing(loaded), *facts.external_testing(loaded), gap]


def test_tests_are_never_called_validation(study: Path) -> None:
    loaded = load(study)
    assert not any("validation" in fact.text.lower() for make in MAKERS for fact in make(loaded))


def test_number_without_an_interval_is_not_reported(changeable: Path) -> None:
    def strip(record: dict) -> None:
        for row in record["summary"]["means"]:
            row["low"] = None

    change_run(changeable / EVALUATION, strip)
    (fact,) = facts.internal_testing(load(changeable))
    assert "not printed, since it has no interval" in fact.text


def test_intervals_and_metrics_are_named(study: Path) -> None:
    loaded = load(study)
    (uncertainty,) = facts.uncertainty(loaded)
    assert uncertainty.text == "95 % intervals of the AUC by Obuchowski (persons are the unit)"
    assert facts.metrics(loaded)[0].text == "computed: auc"


def test_shortcuts_are_named_by_verdict(tmp_path: Path) -> None:
    findings = [
        {"region": "marker", "verdict": "shortcut"},
        {"region": "border", "verdict": "suspicious"},
        {"region": "corner", "verdict": "no evidence"},
        {"region": "lungs", "verdict": "not testable"},
    ]
    summary = {"model": "m", "dataset": "d", "findings": findings}
    write_run(tmp_path / "swaps", "swap-test", summary=summary)
    start = "audit swap-test of m on dataset d"
    expected = [
        f"{start} calls shortcut: marker",
        f"{start} calls suspicious: border",
        f"{start} has no evidence in corner",
    ]
    loaded = load(tmp_path)
    assert [fact.text for fact in facts.shortcuts(loaded)] == expected
    assert facts.robustness(loaded) == facts.shortcuts(loaded)


def test_explanations_are_no_robustness(study: Path) -> None:
    loaded = load(study)
    assert facts.explanations(loaded)[0].text.startswith("maps by expected-gradients of 12 images of phantom-I")
    assert not any("explain" in fact.text for fact in facts.robustness(loaded))
    assert facts.failures(loaded)[0].proof.endswith("explanation/most-driven.csv")


@pytest.mark.parametrize(
    ("verb", "make"),
    [
        ("stats subgroups", facts.fairness),
        ("stats calibration", facts.calibrations),
        ("stats slices", facts.failures),
        ("roentmod stress-test", facts.robustness),
    ],
)
def test_other_analyses_are_facts_where_they_were_made(tmp_path: Path, verb: str, make) -> None:
    run = write_run(tmp_path / "run", verb)
    assert [fact.proof for fact in make(load(run))] == [f"{run.as_posix()}/run.json"]


def test_recalibration_is_an_update(tmp_path: Path) -> None:
    plain = write_run(tmp_path / "a", "stats calibration")
    assert facts.updating(load(plain)) == []
    run = write_run(tmp_path / "b", "stats calibration", tables={"recalibrations.csv": {"slope": [1.1]}})
    assert len(facts.updating(load(run))) == 1


def test_cautions_are_those_of_the_label(tmp_path: Path) -> None:
    rows = [
        {"label": label, "dataset": "d", "replicate": 0, "caution": "only 4 persons", "low": 0.1, "level": 0.95}
        for label in ("Edema", "Mass")
    ]
    tables = {"predictions.csv": predictions()}
    write_run(tmp_path / "e", "evaluate", summary={"label": "Edema", "aucs": rows}, tables=tables)
    assert [fact.text for fact in facts.caution(load(tmp_path))] == ["dataset d, replicate 0: only 4 persons"]
