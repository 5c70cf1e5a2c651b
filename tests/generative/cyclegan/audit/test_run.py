"""A whole audit with a painter in a CycleGAN's place: the painted region is accused, others are not."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.generative.cyclegan.audit.results import BOTH, judge_classifier, region_rows
from cxrshort.generative.cyclegan.audit.run import AuditedEdits, AuditPlan, run_networks
from cxrshort.runs import ignore_event
from cxrshort.stats.verdicts import RULES

from .audited import COMPUTE, Painter, cut_regions, make_home, make_plan

SETTINGS = {"places": 3, "batch_size": 64, "seed": 0}
REASONS = {name: "the finding may lie there" for name in ("lungs", "heart", "mediastinum", "diaphragm")}


def run(home: Path, plan: AuditPlan, painter: Painter, settings: Mapping[str, int] = SETTINGS) -> AuditedEdits:
    return run_networks(
        plan,
        painter,
        cut_regions(home, plan.images),
        compute=COMPUTE,
        settings=settings,
        not_judged=REASONS,
        report=ignore_event,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="module")
def plan(home: Path) -> AuditPlan:
    return make_plan(home)


@pytest.fixture(scope="module")
def audited(home: Path, plan: AuditPlan) -> AuditedEdits:
    return run(home, plan, Painter())


def verdicts(plan: AuditPlan, audited: AuditedEdits) -> dict[str, tuple[str, str]]:
    regions = region_rows(plan.images, audited.measured, audited.shams, seed=0)
    judged = judge_classifier(
        plan.images,
        audited.scored[0],
        regions,
        names=audited.regions["to"].names,
        reasons=REASONS,
        rule=RULES["cyclegan-audit"],
        seed=0,
    )
    return {verdict.region: (verdict.verdict, verdict.why) for verdict in judged}


def test_painted_region_is_a_shortcut_and_the_innocent_one_is_not(plan: AuditPlan, audited: AuditedEdits) -> None:
    judged = verdicts(plan, audited)
    assert judged["planted"][0] == "shortcut"
    assert judged["innocent"][0] == "no evidence"
    assert judged["lungs"] == ("not testable", "the finding may lie there")


def test_painted_region_changed_most_and_more_than_in_images_that_need_no_change(
    plan: AuditPlan, audited: AuditedEdits
) -> None:
    rows = region_rows(plan.images, audited.measured, audited.shams, seed=0)
    both = {row["region"]: row for row in rows if row["direction"] == BOTH}
    area = 12 * 12 / 32**2
    assert both["planted"]["ratio"] == pytest.approx(1 / area) and both["planted"]["p_shift"] < 0.01
    assert both["innocent"]["ratio"] == 0 and both["innocent"]["rank"] > both["planted"]["rank"]
    assert both["planted"]["sham_ratio"] is None or both["planted"]["sham_ratio_low"] > 1


def test_careless_generator_makes_the_same_region_suspicious_at_most(home: Path, plan: AuditPlan) -> None:
    careless = run(home, plan, Painter(careless=True))
    verdict, why = verdicts(plan, careless)["planted"]
    assert verdict == "suspicious"
    assert "images that need no change were changed there as much" in why


def test_there_and_back_is_where_it_started(audited: AuditedEdits) -> None:
    """The painter undoes what it paints, but for images that it takes to be of the other side already."""
    for edits in audited.edits.values():
        assert np.median(edits.cycle_errors) == 0 < np.median(edits.changes)


def test_distance_to_the_goal_is_smaller_than_that_of_the_originals(audited: AuditedEdits) -> None:
    rows = {(row["direction"], row["set"]): row["kid"] for row in audited.distances}
    assert len(rows) == 4
    for direction in ("to", "from"):
        assert rows[direction, "transformed"] < rows[direction, "original"]


def test_images_of_another_size_are_refused(home: Path, plan: AuditPlan) -> None:
    with pytest.raises(DataError, match="images of 32 x 32 pixels, and the CycleGAN was trained on 64 x 64") as caught:
        run(home, plan, Painter(size=64))
    assert caught.value.hint == "build the dataset with --size 64"
