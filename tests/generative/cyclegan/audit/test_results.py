"""Tables of an audit: what images, persons and directions their rows are of."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.generative.cyclegan.audit.regions import PackedRegions
from cxrshort.generative.cyclegan.audit.results import (
    BOTH,
    carried_rows,
    change_table,
    cycle_rows,
    distance_rows,
    overlap_notes,
    persons_of,
    population_rows,
    region_rows,
)
from cxrshort.generative.cyclegan.audit.run import AuditedEdits, AuditPlan, run_networks
from cxrshort.runs import ignore_event
from cxrshort.stats.kernel_distance import kernel_distance

from .audited import COMPUTE, Painter, cut_regions, make_home, make_plan


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditPlan, AuditedEdits]:
    home = make_home(tmp_path_factory.mktemp("results"), people=40)
    plan = make_plan(home, images=8)
    settings = {"places": 2, "batch_size": 16, "seed": 0}
    audited = run_networks(
        plan,
        Painter(),
        cut_regions(home, plan.images),
        compute=COMPUTE,
        settings=settings,
        not_judged={},
        report=ignore_event,
    )
    return plan, audited


def test_changes_have_a_row_for_each_image_in_the_order_of_the_manifest(done: tuple[AuditPlan, AuditedEdits]) -> None:
    plan, audited = done
    table = change_table(plan.images, audited.edits, audited.scored)
    assert table["direction"].value_counts().to_dict() == {"to": 8, "from": 8}
    manifest = plan.images.data.manifest.set_index("image_id")
    truth = manifest.loc[table["image_id"], "COVID-19"].to_numpy(dtype=float)
    assert (truth == np.where(table["direction"] == "to", 0, 1)).all()
    assert (manifest.loc[table["image_id"], "person_id"].to_numpy() == table["person_id"].to_numpy()).all()
    assert np.allclose(table["change"], table["after"] - table["before"])
    classifier = audited.scored[0].classifier
    logits = dict(zip(plan.images.data.manifest["image_id"], classifier.logits, strict=True))
    assert np.allclose(table["before"], [logits[name] for name in table["image_id"]], atol=1e-4)


def test_population_has_a_row_for_each_direction_and_threshold(done: tuple[AuditPlan, AuditedEdits]) -> None:
    plan, audited = done
    rows = population_rows(plan.images, audited.scored, audited.regions["to"].names, seed=0)
    assert [(row["direction"], row["decision"], row["predicted"]) for row in rows] == [
        ("to", "p 0.5", "increase"),
        ("to", "Youden", "increase"),
        ("from", "p 0.5", "decrease"),
        ("from", "Youden", "decrease"),
    ]
    changes = change_table(plan.images, audited.edits, audited.scored)
    own = changes[changes["direction"] == "to"]
    assert rows[0]["flips"] == np.mean((own["before"] >= 0) != (own["after"] >= 0))
    assert rows[0]["median_change"] == pytest.approx(own["change"].median() / audited.scored[0].classifier.spread)
    assert rows[0]["threshold"] == 0.5 and rows[0]["persons"] == own["person_id"].nunique()


def test_change_stands_beside_that_of_images_that_need_none(done: tuple[AuditPlan, AuditedEdits]) -> None:
    plan, audited = done
    rows = population_rows(plan.images, audited.scored, audited.regions["to"].names, seed=0)
    assert [row["sham_images"] for row in rows] == [
        len(plan.images.rows[side]) for side in ("to", "to", "from", "from")
    ]
    assert rows[0]["median_change"] > 0 == rows[0]["sham_change"]
    assert rows[2]["median_change"] < 0 == rows[2]["sham_change"]
    assert rows[0]["beyond_sham_low"] > 0 > rows[2]["beyond_sham_high"]


def test_regions_are_ranked_within_each_direction(done: tuple[AuditPlan, AuditedEdits]) -> None:
    plan, audited = done
    table = pd.DataFrame(region_rows(plan.images, audited.measured, audited.shams, seed=0))
    assert list(table["direction"].unique()) == [BOTH, "to", "from"]
    for _, part in table.groupby("direction"):
        assert part["rank"].tolist() == list(range(1, len(part) + 1))
        assert part["ratio"].fillna(0).is_monotonic_decreasing


def test_carried_shares_are_of_both_and_of_each_direction(done: tuple[AuditPlan, AuditedEdits]) -> None:
    plan, audited = done
    names = audited.regions["to"].names
    rows = pd.DataFrame(carried_rows(plan.images, audited.scored, names, seed=0))
    assert rows.groupby("direction").size().to_dict() == dict.fromkeys([BOTH, "from", "to"], len(names))
    parts = audited.scored[0].parts["to"]
    own = rows[(rows["direction"] == "to") & (rows["region"] == "planted")].iloc[0]
    place = names.index("planted")
    share = (parts.only[:, place] - parts.before).mean() / (parts.after - parts.before).mean()
    assert own["share"] == pytest.approx(share)


def test_cycle_errors_have_limits(done: tuple[AuditPlan, AuditedEdits]) -> None:
    plan, audited = done
    rows = cycle_rows(plan.images, audited.edits, seed=0)
    assert [row["direction"] for row in rows] == ["to", "from"]
    for row in rows:
        assert row["mean_difference"] == pytest.approx(audited.edits[row["direction"]].changes.mean())
        assert row["mean_difference_low"] <= row["mean_difference"] <= row["mean_difference_high"]


def test_distances_are_those_of_the_features_with_persons(done: tuple[AuditPlan, AuditedEdits]) -> None:
    plan, _ = done
    rng = np.random.default_rng(0)
    features = {name: rng.normal(size=(8, 3)).astype(np.float32) for name in ("transformed", "original", "goal")}
    rows = distance_rows(plan.images, "to", features, network="net")
    persons = tuple(persons_of(plan.images, plan.images.rows[side]) for side in ("from", "to"))
    expected = kernel_distance(features["transformed"], features["goal"], persons=persons)  # type: ignore[arg-type]
    assert (rows[0]["kid"], rows[0]["set"]) == (pytest.approx(expected.value), "transformed")
    broken = {**features, "goal": np.full((8, 3), np.nan, np.float32)}
    assert [(row["kid"], row["reason"]) for row in distance_rows(plan.images, "to", broken, network="net")] == [
        (None, "features of 8 images are not finite")
    ] * 2


def test_accused_regions_that_share_pixels_are_noted() -> None:
    areas = np.zeros((4, 3, 8, 8), bool)
    areas[:, 0, :4, :4] = True
    areas[:2, 1, 2:4, 2:4] = True
    areas[2:, 1, 6:, 6:] = True
    areas[:, 2, 7, 7] = True
    regions = PackedRegions(("corner_a", "marker", "heart"), np.packbits(areas, axis=-1), np.ones((4, 3), bool), 8)
    words = [("corner_a", "shortcut"), ("marker", "suspicious"), ("heart", "not testable")]
    findings = [{"region": region, "verdict": word} for region, word in words]
    assert overlap_notes(findings, regions) == [
        "regions overlap (corner a and marker in 50 % of the images): a verdict on one region may be due to the other"
    ]
    assert overlap_notes(findings[1:], regions) == []
