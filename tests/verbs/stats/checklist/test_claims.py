"""Checks of claims: each passes on one folder and fails on another, and neither without predictions."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.stats.claims import false_claim_of_aucs
from cxrshort.verbs.stats.checklist import claims

from ..scored import predictions, written
from ..studies import SWAPS, load, write_run

CHECKS = [
    claims.check_baselines,
    claims.check_size,
    claims.check_seeds,
    claims.check_claim,
    claims.check_noise,
    claims.check_margin,
    claims.check_multiplicity,
    claims.check_p_values,
    claims.check_consensus,
    claims.check_subgroups,
]


def two_trainings(folder: Path, **options: int) -> Path:
    """Return predictions of two trainings on the same images, the second better."""
    table = predictions(**options)
    better = table.assign(model_id="b" + table["model_id"], training_id="better", training="a/better/erm")
    better["logit.Edema"] += table["target.Edema"]
    return written(pd.concat([table, better]), folder)


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_passes_without_a_folder(tmp_path: Path, check: Callable) -> None:
    write_run(tmp_path / "other", "stats cost")
    assert check(load(tmp_path)).status == "NOT ASSESSABLE"


@pytest.mark.parametrize(
    ("images", "share", "status"), [(60, 1 / 3, "WARN"), (600, 1 / 3, "PASS"), (600, 1 / 100, "FAIL")]
)
def test_size(tmp_path: Path, images: int, share: float, status: str) -> None:
    table = predictions(images)
    positive = np.arange(images) % round(1 / share) == 0
    table["target.Edema"] = np.tile(positive, 2).astype(float)
    outcome = claims.check_size(load(written(table, tmp_path), label="Edema"))
    assert outcome.status == status
    counts = f"{images} images, {images // 2} persons, {positive.sum()} positives, {(~positive).sum()} negatives"
    assert outcome.fact.startswith(f"internal test set hospital-a: {counts}, AUC within +-0.")
    assert outcome.source.endswith("predictions.csv: target.Edema")


@pytest.mark.parametrize(("replicates", "status"), [(1, "FAIL"), (2, "WARN"), (5, "PASS")])
def test_seeds(tmp_path: Path, replicates: int, status: str) -> None:
    outcome = claims.check_seeds(load(written(predictions(replicates=replicates), tmp_path), label="Edema"))
    assert outcome.status == status
    text = "one model, so one seed and one split" if replicates == 1 else f"{replicates} models, SD of the AUC 0."
    assert outcome.fact.startswith(f"a/small-cnn/erm: {text}")


def test_claim_without_its_probability_fails_and_is_computed(tmp_path: Path) -> None:
    study = load(two_trainings(tmp_path), label="Edema")
    failed = claims.check_claim(study)
    table = predictions()
    inside = table[table["role"] == "internal"]
    targets, scores = inside["target.Edema"], inside["logit.Edema"]
    claim = false_claim_of_aucs(targets, first=scores + targets, second=scores, clusters=inside["person_id"])
    assert failed.status == "FAIL"
    assert failed.fact.startswith("a/better/erm over a/small-cnn/erm on hospital-a: no probability of a false claim")
    assert f"; it is {claim.probability:.2g} here" in failed.fact


@pytest.mark.parametrize(
    ("values", "status"), [([0.01, 0.97], "PASS"), ([0.01, 0.3], "WARN"), ([0.02, None], "PASS"), ([None], "FAIL")]
)
def test_claim_with_its_probability(tmp_path: Path, values: list, status: str) -> None:
    table = {"label": ["x"] * len(values), "claim_false": values}
    run = write_run(tmp_path / "compare", "stats compare", tables={"comparisons.csv": table})
    tested = two_trainings(tmp_path)
    if status == "FAIL":  # a column that holds nothing: the claim is still without its probability
        assert claims.check_claim(load(run)).status == claims.check_claim(load(tested, run)).status == "FAIL"
    else:
        assert claims.check_claim(load(run)).status == claims.check_claim(load(tested, run)).status == status


def test_one_training_claims_nothing(tmp_path: Path) -> None:
    study = load(written(predictions(replicates=2), tmp_path))
    for check in (claims.check_claim, claims.check_noise, claims.check_margin, claims.check_consensus):
        outcome = check(study)
        assert outcome.status == "NOT ASSESSABLE" and "one training alone" in outcome.fact


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        (["beyond noise"], "PASS"),
        (["beyond noise", "within noise"], "WARN"),
        (["within noise", "overfit"], "FAIL"),
        ([], "NOT ASSESSABLE"),
    ],
)
def test_noise(tmp_path: Path, verdicts: list[str], status: str) -> None:
    tested = two_trainings(tmp_path)
    assert claims.check_noise(load(tested)).status == "WARN"
    rows = [{"verdict": verdict} for verdict in verdicts]
    run = write_run(tmp_path / "noise", "stats noise", summary={"noise": rows})
    assert claims.check_noise(load(tested, run)).status == status


@pytest.mark.parametrize(("margin", "status"), [(0.02, "PASS"), (0.0, "WARN"), (None, "WARN")])
def test_margin(tmp_path: Path, margin: float | None, status: str) -> None:
    tested = two_trainings(tmp_path)
    assert claims.check_margin(load(tested)).status == "WARN"
    run = write_run(tmp_path / "superiority", "stats superiority", arguments={"margin": margin})
    assert claims.check_margin(load(tested, run)).status == status


@pytest.mark.parametrize(
    ("columns", "status", "fact"),
    [
        ({"p": [0.01, 0.2]}, "FAIL", "2 p-values without a correction"),
        ({"p": [0.01, None]}, "PASS", "1 test"),
        ({"p": [0.01, 0.2], "p_holm": [0.02, 0.2]}, "PASS", "2 tests, corrected in p_holm"),
    ],
)
def test_multiplicity(tmp_path: Path, columns: dict, status: str, fact: str) -> None:
    run = write_run(tmp_path / "w", "stats wilcoxon", tables={"tests.csv": columns})
    outcome = claims.check_multiplicity(load(run))
    assert (outcome.status, outcome.fact) == (status, fact)


@pytest.mark.parametrize(
    ("columns", "fact"),
    [
        ({}, "p-values without an effect size and an interval and a number of cases"),
        ({"difference": [0.1]}, "p-values without an interval and a number of cases"),
        ({"difference": [0.1], "low": [0], "high": [1]}, "p-values without a number of cases"),
        (
            {"difference": [0.1], "low": [0], "high": [1], "n": [9]},
            "p-values with effect, interval and number of cases",
        ),
    ],
)
def test_p_values(tmp_path: Path, columns: dict, fact: str) -> None:
    outcome = claims.check_p_values(load(written(pd.DataFrame({"p": [0.01], **columns}), tmp_path, "t.csv")))
    assert (outcome.status, outcome.fact) == ("PASS" if "with " in fact else "FAIL", fact)


def test_p_values_of_our_own_audits_are_complete(study: Path) -> None:
    assert claims.check_p_values(load(study / SWAPS)).status in ("PASS", "NOT ASSESSABLE")
    assert claims.check_multiplicity(load(study / SWAPS)).status in ("PASS", "NOT ASSESSABLE")


@pytest.mark.parametrize(("datasets", "status"), [(2, "WARN"), (10, "PASS")])
def test_consensus(tmp_path: Path, datasets: int, status: str) -> None:
    table = pd.read_csv(two_trainings(tmp_path, images=12), keep_default_na=False)
    inside = table[table["role"] == "internal"]
    parts = [inside.assign(dataset_id=f"d{number}", dataset=f"d{number}") for number in range(datasets)]
    outcome = claims.check_consensus(load(written(pd.concat(parts), tmp_path)))
    assert outcome.status == status
    assert outcome.fact.startswith(f"trainings are compared on {datasets} datasets")


@pytest.mark.parametrize(
    ("findings", "status"), [(["shown", "not shown"], "FAIL"), (["not shown"], "PASS"), ([], "NOT ASSESSABLE")]
)
def test_subgroups(tmp_path: Path, findings: list[str], status: str) -> None:
    tested = written(predictions(), tmp_path)
    assert claims.check_subgroups(load(tested)).status == "WARN"
    gaps = [{"column": "sex", "metric": "AUC", "finding": word} for word in findings]
    run = write_run(tmp_path / "subgroups", "stats subgroups", summary={"gaps": gaps})
    outcome = claims.check_subgroups(load(tested, run))
    assert outcome.status == status
    assert status != "FAIL" or outcome.fact == "a gap between subgroups is shown: AUC by sex"


@pytest.mark.parametrize(
    ("findings", "status"), [(["not superior", "superior"], "FAIL"), (["superior"], "PASS"), ([], "WARN")]
)
def test_baselines(tmp_path: Path, findings: list[str], status: str) -> None:
    tested = written(predictions(), tmp_path)
    assert claims.check_baselines(load(tested)).status == "WARN"
    rows = [{"floor": "histogram", "finding": word} for word in findings]
    run = write_run(tmp_path / "floors", "stats floors", summary={"comparisons": rows})
    assert claims.check_baselines(load(tested, run)).status == status
