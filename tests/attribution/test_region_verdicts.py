"""Verdicts on regions of a population whose positives have their maps in the upper border."""

from dataclasses import replace

import numpy as np
import pytest

from cxrshort.attribution.measurements import class_shares, measure_maps
from cxrshort.attribution.region_verdicts import NUMBER, ZERO, judge_label
from cxrshort.stats.verdicts import RULES

from .population import Population, population

RULE = replace(RULES["explain"], margin=0.5, ratio_margin=None)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Population:
    return population(tmp_path_factory.mktemp("people"))


def judged(people: Population, *, maps=None, rule=RULE, not_judged=None, **options):
    measured = measure_maps(maps or people.maps, people.explained, people.regions)
    shares = class_shares(people.explained, measured, seed=0)
    return judge_label(
        "COVID-19", people.explained, measured, shares=shares, not_judged=not_judged or {}, seed=0, rule=rule, **options
    )


def test_region_that_carries_the_separation_is_accused(people: Population) -> None:
    findings = judged(people, not_judged={"lungs": "the finding may lie there"})
    verdicts = {verdict.region: verdict for verdict in findings.verdicts}
    assert [name for name, verdict in verdicts.items() if verdict.verdict == "shortcut"] == ["border", "border_top"]
    # Positives have 0.5 more in ten pixels; the noise of whole maps moves the mean difference by 0.07.
    assert verdicts["border_top"].evidence.effect == pytest.approx(1, abs=0.1)
    assert verdicts["border_left"].verdict == "no evidence" and verdicts["lungs"].why == "the finding may lie there"
    assert verdicts["marker"].why == "no image is known to have this region, or not to have it"
    assert findings.whole.separation == pytest.approx(5, abs=0.3) and (
        findings.whole.positives,
        findings.whole.negatives,
    ) == (
        12,
        12,
    )
    assert {"label", "region", "verdict", "effect", "p", "why"} <= set(findings.records()[0])


def test_share_of_a_region_alone_makes_it_suspicious(people: Population) -> None:
    findings = judged(people, rule=replace(RULE, margin=9.0, ratio_margin=4.0))
    verdicts = {verdict.region: verdict for verdict in findings.verdicts}
    assert verdicts["border_top"].verdict == "suspicious"
    assert "times the attribution that its area has by chance, at least the margin of 4" in verdicts["border_top"].why
    assert verdicts["border_left"].verdict == "no evidence"


def test_share_that_a_few_images_reach_by_chance_makes_nothing_suspicious(people: Population) -> None:
    measured = measure_maps(people.maps, people.explained, people.regions)
    shares = class_shares(people.explained, measured, seed=0).astype({"ratio": float, "ratio_low": float})
    verdicts = {}
    cases = {
        "positive": ("positive", 1.1),
        "chance": ("negative", 1.0),
        "no interval": ("negative", np.nan),
        "unlabelled": ("unlabelled", 3.0),
    }
    for name, (kind, low) in cases.items():
        own = shares.copy()
        rows = own["region"] == "border_left"
        own.loc[rows, ["class", "ratio", "ratio_low"]] = (kind, 5.0, low)
        findings = judge_label(
            "COVID-19",
            people.explained,
            measured,
            shares=own,
            not_judged={},
            seed=0,
            rule=replace(RULE, ratio_margin=4.0),
        )
        verdicts[name] = {verdict.region: verdict.verdict for verdict in findings.verdicts}["border_left"]
    others = dict.fromkeys(("chance", "no interval", "unlabelled"), "no evidence")
    assert verdicts == {"positive": "suspicious", **others}


def test_zero_maps_and_numbers_are_not_testable(people: Population) -> None:
    maps = replace(people.maps, maps=np.zeros_like(people.maps.maps))
    findings = judged(people, maps=maps, not_judged={"lungs": "the finding may lie there"})
    assert {(verdict.region == "lungs", verdict.why) for verdict in findings.verdicts} == {
        (True, "the finding may lie there"),
        (False, ZERO),
    }
    assert {verdict.why for verdict in judged(people, regression=True).verdicts} == {NUMBER}


def test_broken_maps_are_left_out(people: Population) -> None:
    values = people.maps.maps.copy()
    values[0, 0, 0] = np.nan
    findings = judged(people, maps=replace(people.maps, maps=values))
    assert findings.whole.negatives == 11 and findings.verdicts[0].verdict == "shortcut"
    assert all(np.isfinite(row["effect"]) for row in findings.records() if row["verdict"] != "not testable")
