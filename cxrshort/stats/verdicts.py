"""The verdict of every audit: ``shortcut``, ``suspicious``, ``no evidence`` or ``not testable``.

One rule for all. An effect is signed, positive in the direction that a shortcut predicts, and in a unit that does not
depend on the model. A region is accused where the effect is at least the margin and the test says at a corrected level
that it is not chance. Neither accuses alone: with enough images any difference is significant (clean ResNet-18 reach
p = 1e-5 by effects of 0.02), and with few images effects of clean models exceed the margin by chance (up to 0.55).

What would invalidate a verdict: a margin that was calibrated on other kinds of models or images than those that are
judged.

`RULES` holds the numbers, and ``tests/studies/verdicts.py`` is where they come from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cxrshort.errors import DataError

SHORTCUT = "shortcut"
SUSPICIOUS = "suspicious"
NO_EVIDENCE = "no evidence"
NOT_TESTABLE = "not testable"
VERDICTS = (SHORTCUT, SUSPICIOUS, NO_EVIDENCE, NOT_TESTABLE)
"""From the worst on."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Say when an audit accuses.

    Args:
        unit: what an effect of 1 is.
        margin: the smallest effect that accuses.
        level: the largest p-value that accuses, corrected for the number of regions.
        doubt_level: the largest corrected p-value at which an effect of the margin is suspicious.
        ratio_margin: share of attribution over share of the area from which on a region is suspicious by itself; None
            for audits without maps.
        calibrated: the models that set the numbers.
    """

    unit: str
    margin: float
    level: float = 0.05
    doubt_level: float = 0.2
    ratio_margin: float | None = None
    calibrated: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold what an audit has measured of one region.

    Args:
        region: its name.
        effect: in the unit of the rule, above 0 in the direction that a shortcut predicts; None where there is none.
        low: lower limit of the effect; None where there is none.
        high: upper limit.
        p: corrected for the number of regions; None where there is no test.
        smallest_effect: the smallest effect that so many images would have shown; None where none would have.
        reason: why it cannot be tested; empty where it can.
        doubt: what alone makes it suspicious, as a clause; empty where nothing does.
        missing: what an accusation would have to rest on and does not, as a clause: what would be a shortcut is called
            suspicious. Empty where nothing is missing.
    """

    region: str
    effect: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    smallest_effect: float | None = None
    reason: str = ""
    doubt: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold the verdict on one region.

    Args:
        region: its name.
        verdict: one of `VERDICTS`.
        why: the numbers behind it, as a clause.
        evidence: what it was drawn from.
    """

    region: str
    verdict: str
    why: str
    evidence: Evidence

    def record(self) -> dict[str, object]:
        """Return a row of ``findings.csv``."""
        names = ("effect", "low", "high", "p", "smallest_effect")
        return {
            "region": self.region,
            "verdict": self.verdict,
            **{name: getattr(self.evidence, name) for name in names},
            "why": self.why,
        }


MUCH_SHARED, OFTEN_SHARED = 0.25, 0.25
"""Share of the smaller of two regions, and of the images, from which on a verdict on one may be due to the other."""

_MODELS = "60 clean models of the phantom at 64 px: 44 small networks (AUC 0.65) and 16 ResNet-18 (AUC 0.91)"
RULES: Mapping[str, Rule] = {
    "swap-test": Rule(
        unit="SD of the logits",
        margin=0.25,
        calibrated=f"{_MODELS}; 0 were accused, 0 called suspicious; the largest effects were 0.26 and 0.11",
    ),
    "explain": Rule(
        unit="class separation of the maps",
        margin=0.25,
        ratio_margin=4.0,
        calibrated=f"{_MODELS}; 0 were accused, 1 called suspicious; the largest effects were 0.34 and 0.05",
    ),
    "stats-attributes": Rule(
        unit="share of the label's information that pixels give away by way of the attribute",
        margin=0.01,
        calibrated="12 clean datasets of the phantom (400 images; 870 pairs of attribute and label): 0 were accused, "
        "0 called suspicious; the smallest corrected p was 0.06",
    ),
    "roentmod-stress-test": Rule(
        unit="percentile points that co-occurrence does not explain",
        # The smallest multiple of 5 at which tests/studies/stress_test.py accuses none of 20 clean networks that tell
        # findings apart, [0, 0.17] of them. At 20 it accuses 4, each of taking a mass for edema: these do look alike,
        # and 250 other persons show the same change, of 18 to 20 points. So a smaller margin calls resemblance a
        # shortcut, however many persons are audited. A pair planted at a correlation of 0.9 or 0.6 was called in 20 of
        # 20 networks each (46 and 35 points), at 0.3 in 1 of 20 (22 points); none of these 60 was accused of another
        # pair. No margin up to 30 is safe where findings hardly differ: 5 of 5 clean networks take a mass for
        # pneumonia (39 points) and pneumonia for a mass (34).
        margin=25.0,
        calibrated="20 clean models of the phantom (small networks at 64 px, mean AUC of each finding 0.83 to 1.00; "
        "600 pairs of findings): 0 were accused, 0 called suspicious; the largest effect was 23.5; of 5 more, whose "
        "findings include two that hardly differ, all were accused of that pair",
    ),
    "cyclegan-audit": Rule(
        unit="SD of the logits",
        # That of swap-test, whose effects have the same unit: tests/studies/cyclegan_audit.py accuses none of 25 clean
        # networks at it, [0, 0.14] of them, by 20 CycleGANs, 5 of them of films without a planted style. Two have
        # effects of 0.28 and 0.27, which the same shape elsewhere has as well. The effects of a planted marker and a
        # planted border were 1.85 to 2.00 in 10 of 10.
        margin=0.25,
        calibrated="a region that was not changed more than its area, than the same shape elsewhere and than in images "
        "that need no change is called suspicious at most. 25 clean models of the phantom (small networks at 64 px, "
        "AUC 0.54 to 0.82) in 25 audits by 20 CycleGANs: 0 were accused, 0 called suspicious; the largest effect was "
        "0.28, those of a planted marker and a planted border 1.85 to 2.00, called in 10 of 10",
    ),
}
"""The rule of each audit."""


def describe_rule(rule: Rule) -> list[tuple[str, str]]:
    """Return what each verdict needs, and what the numbers rest on, as pairs of a word and its meaning."""
    effect = f"an effect of at least {rule.margin:g}, in units of the {rule.unit}"
    ratio = ""
    if rule.ratio_margin is not None:
        ratio = f"; or at least {rule.ratio_margin:g} times the attribution of its area, with an interval above 1"
    return [
        (SHORTCUT, f"{effect}, in the predicted direction, at a corrected p of at most {rule.level:g}"),
        (
            SUSPICIOUS,
            f"the same at p of at most {rule.doubt_level:g}; or as large an effect against the predicted direction "
            f"at p of at most {rule.level:g}{ratio}",
        ),
        (NO_EVIDENCE, "none of these; the smallest detectable effect is stated"),
        (NOT_TESTABLE, "the reason is stated"),
        ("calibration", rule.calibrated),
    ]


def judge(evidence: Evidence, rule: Rule) -> Verdict:
    """Return the verdict on one region.

    Raises:
        DataError: a region that can be tested has no effect or no p-value.

    Example:
        >>> rule = Rule(unit="SD of the logits", margin=0.2)
        >>> judge(Evidence("marker", effect=1.5, p=0.001), rule).verdict
        'shortcut'
        >>> judge(Evidence("marker", effect=0.1, p=0.001, smallest_effect=0.05), rule).why
        'an effect of 0.100 is below the margin of 0.2; 0.05 would have been seen'
    """
    verdict, why = _rule_on(evidence, rule)
    return Verdict(evidence.region, verdict, why, evidence)


def judge_regions(evidence: Sequence[Evidence], rule: Rule) -> list[Verdict]:
    """Return the verdicts on all regions, the worst first; those of one word stay in their order."""
    return sorted((judge(region, rule) for region in evidence), key=lambda verdict: VERDICTS.index(verdict.verdict))


def _rule_on(evidence: Evidence, rule: Rule) -> tuple[str, str]:
    effect, p = evidence.effect, evidence.p
    if evidence.reason:
        return NOT_TESTABLE, evidence.reason
    if effect is None or p is None:
        raise DataError(f"'{evidence.region}' has no effect or no p-value, and no reason why it cannot be tested")
    significant, shown = p <= rule.level, f"an effect of {effect:z.3f}"
    at_least = f"is at least the margin of {rule.margin:g}"
    if significant and effect >= rule.margin and evidence.missing:
        return SUSPICIOUS, f"{shown} {at_least}, p = {p:.2g}, but {evidence.missing}"
    if significant and effect >= rule.margin:
        return SHORTCUT, f"{shown} {at_least}, p = {p:.2g}"
    if evidence.doubt:
        return SUSPICIOUS, evidence.doubt
    if effect >= rule.margin and p <= rule.doubt_level:
        return SUSPICIOUS, f"{shown} {at_least}, but p = {p:.2g} is above {rule.level:g}"
    if significant and -effect >= rule.margin:
        return SUSPICIOUS, f"{shown} goes against what a shortcut predicts, p = {p:.2g}"
    if effect >= rule.margin:
        return NO_EVIDENCE, f"{shown} may be chance, p = {p:.2g}; {_smallest(evidence)}"
    return NO_EVIDENCE, f"{shown} is below the margin of {rule.margin:g}; {_smallest(evidence)}"


def _smallest(evidence: Evidence) -> str:
    if evidence.smallest_effect is None:
        return "so few images would have shown none"
    return f"{evidence.smallest_effect:.2g} would have been seen"
