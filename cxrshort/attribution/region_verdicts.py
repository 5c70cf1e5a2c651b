"""Verdicts on regions: what each carries of the class separation, and whether it holds more than its area allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.attribution.explained_images import NEGATIVE, POSITIVE, ExplainedImages
from cxrshort.attribution.explained_regions import PARTS
from cxrshort.attribution.measurements import Measurements
from cxrshort.stats.separation import RegionSeparation, WholeSeparation, separate_classes
from cxrshort.stats.verdicts import RULES, Evidence, Rule, Verdict, judge_regions

ZERO = "every map is zero: the logit does not depend on the image"
NUMBER = "the model predicts a number, and an image has no class"


@dataclass(frozen=True)
class LabelFindings:
    """Hold the verdicts for one label.

    Args:
        label: its name.
        whole: what tells the whole maps of its classes apart.
        verdicts: on each region, the worst first.
    """

    label: str
    whole: WholeSeparation
    verdicts: list[Verdict]

    def records(self) -> list[dict[str, Any]]:
        """Return the rows of ``findings.csv``."""
        return [{"label": self.label, **verdict.record()} for verdict in self.verdicts]


def judge_label(
    label: str,
    explained: ExplainedImages,
    measured: Measurements,
    *,
    shares: pd.DataFrame,
    not_judged: Mapping[str, str],
    seed: int,
    regression: bool = False,
    rule: Rule = RULES["explain"],
) -> LabelFindings:
    """Return the verdict on each region for one label.

    Args:
        label: that was explained.
        explained: a row per map.
        measured: read off the maps.
        shares: of :func:`cxrshort.attribution.measurements.class_shares`.
        not_judged: regions that are no shortcut by their place, and why.
        seed: of the bootstrap.
        regression: whether the model predicts a number.
        rule: when a region is accused.
    """
    own = (explained.table["label"] == label).to_numpy(dtype=bool)
    usable = own & np.isfinite(measured.sums)
    places = [number for number, name in enumerate(measured.shares.names) if name not in PARTS]
    names = [measured.shares.names[place] for place in places]
    table = explained.table[usable]
    classes = table["class"].map({POSITIVE: 1.0, NEGATIVE: 0.0}).to_numpy(dtype=np.float64)
    whole, regions = separate_classes(
        measured.contributions[usable][:, places],
        measured.sums[usable],
        classes,
        table["person_id"].to_numpy(),
        names=names,
        not_judged=dict(not_judged),
        rng=np.random.default_rng((seed, 2)),
        level=rule.level,
    )
    general = NUMBER if regression else ZERO if measured.shares.zero_maps[own].all() else ""
    in_label = shares[shares["label"] == label]
    evidence = [_evidence(region, in_label, rule, general=general) for region in regions]
    return LabelFindings(label, whole, judge_regions(evidence, rule))


def _evidence(region: RegionSeparation, shares: pd.DataFrame, rule: Rule, *, general: str) -> Evidence:
    return Evidence(
        region.region,
        effect=region.effect,
        low=region.low,
        high=region.high,
        p=region.p,
        smallest_effect=region.smallest_effect,
        reason=region.reason if region.reason.startswith("the finding may") else general or region.reason,
        doubt=_doubt(shares[shares["region"] == region.region], rule),
    )


def _doubt(shares: pd.DataFrame, rule: Rule) -> str:
    """Return why the share of a region alone makes it suspicious; empty where it does not.

    Only that of a class counts, and only where its interval lies above 1: a few images reach any ratio by chance.
    """
    if rule.ratio_margin is None:
        return ""
    ratios = shares[["ratio", "ratio_low"]].apply(pd.to_numeric, errors="coerce")
    beyond_chance = shares["class"].isin((POSITIVE, NEGATIVE)) & (ratios["ratio_low"] > 1)
    largest = float(ratios.loc[beyond_chance, "ratio"].max()) if beyond_chance.any() else 0.0
    if largest < rule.ratio_margin:
        return ""
    return (
        f"{largest:.1f} times the attribution that its area has by chance, at least the margin of {rule.ratio_margin:g}"
    )
