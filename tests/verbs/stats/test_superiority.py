"""``stats superiority``: predictions and runs against the functions of statistics called directly."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from cxrshort.errors import CxrshortError
from cxrshort.stats.auc import compare_paired
from cxrshort.stats.superiority import improvement_of_scores
from cxrshort.verbs.stats.superiority import superiority

from .scored import plain, two_trainings, written


def refusal(table: Path, **options: object) -> tuple[int, str]:
    with pytest.raises(CxrshortError) as caught:
        superiority(table, **({"margin": 0.01} | options))
    return caught.value.exit_code, caught.value.message


def runs(folder: Path, differences: np.ndarray) -> Path:
    rows = [
        {"method": method, "seed": seed, "split": split, "auc": 0.8 + value * (method == "b") + 0.01 * seed}
        for method in "ab"
        for seed, line in enumerate(differences)
        for split, value in enumerate(line)
    ]
    return written(pd.DataFrame(rows), folder, "runs.csv")


OF_RUNS = {"value": "auc", "group": "method", "seed_column": "seed", "split_column": "split"}


def test_seeds_alone_are_a_t_test(tmp_path: Path) -> None:
    differences = np.random.default_rng(0).normal(0.03, 0.02, (6, 1))
    path = runs(tmp_path, differences)
    (row,) = superiority(path, margin=0.01, **OF_RUNS).summary["improvements"]
    expected = ttest_1samp(differences.ravel(), 0.01, alternative="greater")
    assert row["p_superior"] == pytest.approx(expected.pvalue)
    limits = ttest_1samp(differences.ravel(), 0).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx(tuple(limits))
    assert (row["seeds"], row["splits"], row["runs"], row["chance"]) == (6, 1, 6, (differences > 0).mean())
    not_inferior = ttest_1samp(differences.ravel(), -0.01, alternative="greater").pvalue
    assert row["p_not_inferior"] == pytest.approx(not_inferior)


def test_variance_is_divided(tmp_path: Path) -> None:
    differences = np.array([[0.02, 0.04], [0.03, 0.05], [0.01, 0.03]])
    result = superiority(runs(tmp_path, differences), margin=0.0, **OF_RUNS)
    by_name = {row["name"]: row for row in result.summary["variances"]}
    assert by_name["seeds"]["variance"] == pytest.approx(1e-4) and by_name["splits"]["variance"] == pytest.approx(2e-4)
    shares = [row["share"] for row in by_name.values() if row["share"] is not None]
    assert sum(shares) == pytest.approx(1)


def test_single_run_has_the_variance_of_its_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = plain(tmp_path, other=rng.normal(size=12))
    options = {"target": "label", "before": "other", "after": "score", "person": "patient"}
    result = superiority(path, margin=0.01, **options)
    (row,) = result.summary["improvements"]
    table = pd.read_csv(path)
    paired = compare_paired(table["label"], before=table["other"], after=table["score"], clusters=table["patient"])
    assert (row["difference"], row["standard_error"]) == pytest.approx((paired.difference, paired.standard_error))
    assert (row["low"], row["high"]) == pytest.approx((paired.low, paired.high))
    assert "the variance over seeds and splits is unknown and not counted" in result.notes


def test_replicates_on_shared_images_add_their_sampling(tmp_path: Path) -> None:
    frame = two_trainings(replicates=3)
    result = superiority(written(frame, tmp_path), margin=0.02, label="Edema")
    part = frame[frame["dataset"] == "hospital-a"]
    scores = [
        part[part["training_id"] == training].pivot(index="image_id", columns="replicate", values="logit.Edema")
        for training in ("t", "u")
    ]
    rows = part[(part["training_id"] == "t") & (part["replicate"] == 0)].set_index("image_id").loc[scores[0].index]
    direct = improvement_of_scores(
        rows["target.Edema"], before=scores[0], after=scores[1], clusters=rows["person_id"], margin=0.02
    )
    row = result.summary["improvements"][0]
    assert (row["difference"], row["standard_error"], row["low"]) == pytest.approx(
        (direct.tests.difference, direct.tests.standard_error, direct.tests.low)
    )


def test_verdicts_heed_the_correction(tmp_path: Path) -> None:
    frames = []
    for label, mean in zip("vwxyz", (0.035, 0, 0, 0, 0), strict=True):
        differences = mean + np.array([[0.011], [-0.02], [0.02], [-0.011], [0.0], [0.005], [-0.005]])
        frames.append(pd.read_csv(runs(tmp_path, differences)).assign(label=label))
    path = written(pd.concat(frames), tmp_path, "labels.csv")
    options = {**OF_RUNS, "by": "label"}
    rows = superiority(path, margin=0.02, **options).summary["improvements"]
    assert rows[0]["p_superior"] < 0.025 < rows[0]["p_adjusted"]
    assert rows[0]["verdict"].endswith("; after correction for 5 tests not shown")
    alone = superiority(path, margin=0.02, correction="none", **options).summary["improvements"]
    assert alone[0]["verdict"] == "better by more than the margin of 0.02"


def test_label_without_a_class_is_not_testable(tmp_path: Path) -> None:
    frame = two_trainings()
    frame["target.COVID-19"] = 0.0
    result = superiority(written(frame, tmp_path), margin=0.01)
    rows = result.summary["improvements"]
    assert [row["verdict"] == "not testable" for row in rows] == [False, False, True, True]
    assert rows[2]["reason"] == "only negatives" and rows[2]["p_superior"] is None


def test_folder_holds_tables_and_figure(tmp_path: Path) -> None:
    path = written(two_trainings(replicates=2), tmp_path)
    result = superiority(path, margin=0.01, out=tmp_path / "o", figures=True)
    assert {file.name for file in (tmp_path / "o").iterdir()} == {
        *("improvements.csv", "variances.csv", "superiority.png", "run.json", "summary.json"),
    }
    written_rows = json.loads((tmp_path / "o" / "summary.json").read_text())["improvements"]
    assert written_rows == result.summary["improvements"]


def test_wrong_options_and_tables_are_refused(tmp_path: Path) -> None:
    path = plain(tmp_path, other=1.0)
    assert refusal(path, margin=None)[0] == 2
    assert refusal(path, margin=-1.0) == (2, 'margin "-1" must not be negative')
    assert refusal(path, test_to_train=-1.0)[0] == 2
    assert refusal(path, group="g") == (2, "--group belongs to --value, a column of one number per run")
    assert refusal(path, seed_column="g")[1].startswith("--seed-column belongs to --value")
    assert refusal(path, value="score") == (2, "--group is missing: --value and --group name two columns")
    assert refusal(path, value="score", group="view", person="patient")[1] == (
        "--value compares numbers of runs, and 'person' is of images"
    )
    same = {"target": "label", "before": "score", "after": "score"}
    assert refusal(path, **same) == (
        65,
        'scores.csv: no improvement can be given an interval (difference "0" with standard error "0": no test without '
        "a variance)",
    )
