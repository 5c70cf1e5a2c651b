"""The risk that an attribute becomes a shortcut: its utility for the label times its detectability in the pixels.

Data-AUDIT (MICCAI 2023) and G-AUDIT (arXiv 2503.09969) call the two axes utility and detectability. Both are adjusted
mutual informations here, 0 for chance and 1 for a perfect relation, so that the risk is a share too: roughly, the
share of the label's entropy that the pixels reveal by way of the attribute.

What would invalidate a verdict:

- A shortcut that the data offers, read as one that a model takes. That is what explain and swap-test are for.
- Attributes that belong to the disease, such as a bedside view of the very ill. They are risks as well: elsewhere
  bedside views go with other diseases.
- Attributes that nobody recorded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import norm

from cxrshort.stats.auc import check_level
from cxrshort.stats.detectability import Detectability
from cxrshort.stats.mutual_information import Information
from cxrshort.stats.signed_rank import holm
from cxrshort.stats.verdicts import RULES, Evidence, Verdict, judge

RULE = RULES["stats-attributes"]


@dataclass(frozen=True, slots=True)
class AttributeRisk:
    """Hold the risk of one attribute for one label.

    Args:
        value: utility times detectability, neither below 0; None where one of them is missing.
        low: lower limit, in [0, 1].
        high: upper limit, in [0, 1].
        p: of a utility or a detectability by chance, whichever is larger.
        smallest: the smallest risk that so many persons would have shown; None where one of them is missing.
        reason: why there is none; "" where there is.
        within: whether detectability was judged within the classes of the label.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    smallest: float | None = None
    reason: str = ""
    within: bool = True


def attribute_risk(utility: Information, detected: Detectability, *, level: float = 0.95) -> AttributeRisk:
    """Return the product of utility and detectability, with limits by the delta method.

    Args:
        utility: of the attribute for the label.
        detected: the attribute's detectability.
        level: coverage in (0, 1).

    Example:
        >>> utility = Information(0.5, error=0.05, p=1e-9, smallest=0.1)
        >>> seen = Detectability(Information(0.8, error=0.05, p=1e-9, smallest=0.1), within=True)
        >>> risk = attribute_risk(utility, seen)
        >>> f"{risk.value:.2f} [{risk.low:.2f}, {risk.high:.2f}]"
        '0.40 [0.31, 0.49]'
    """
    check_level(level)
    seen = detected.information
    if utility.value is None or seen.value is None:
        return AttributeRisk(None, reason=utility.reason or f"detectability: {seen.reason}", within=detected.within)
    sides = max(0.0, utility.value), max(0.0, seen.value)
    errors = utility.error or 0.0, seen.error or 0.0
    error = math.hypot(sides[0] * errors[1], sides[1] * errors[0], errors[0] * errors[1])
    value, half = sides[0] * sides[1], float(norm.ppf(0.5 + level / 2)) * error
    p = max(utility.p or 0.0, seen.p or 0.0)
    smallest = (utility.smallest or 0.0) * max(sides[1], seen.smallest or 0.0)
    limits = max(0.0, value - half), min(1.0, value + half)
    return AttributeRisk(value, *limits, p, min(1.0, smallest), within=detected.within)


def judge_risks(names: Sequence[str], risks: Sequence[AttributeRisk]) -> list[Verdict]:
    """Return the verdict on each risk, in order, with Holm's correction over all that have a p-value.

    Args:
        names: what a verdict is called.
        risks: as many.
    """
    verdicts = []
    for name, risk, p in zip(names, risks, holm([risk.p for risk in risks]), strict=True):
        evidence = Evidence(name, risk.value, risk.low, risk.high, p, risk.smallest, reason=risk.reason)
        verdicts.append(judge(evidence, RULE))
    return verdicts
