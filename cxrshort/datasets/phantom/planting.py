"""Planted shortcuts of a phantom dataset: confounded styles and their strength, and comorbidities.

Confounding and share are two scales of one number. At confounding c the diagnosis decides the room with probability c
and a fair coin otherwise, so the share of a class that has its own style, P(style | class), is (1 + c) / 2: the 80 %
of published benchmarks are a confounding of 0.6, not of 0.8.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxrshort.columns import COVID, LABELS
from cxrshort.datasets.phantom.catalogue import DATASETS
from cxrshort.datasets.phantom.styles import SHORTCUTS
from cxrshort.errors import UsageError
from cxrshort.quantities import quantity
from cxrshort.registry import check_name

BLOCK_SIZE = 5
BLOCK_POSITIVES = 2
"""Two of every five patients have COVID-19, in random order, so that small samples hold both classes."""

PREVALENCE: Mapping[str, float] = {
    "Atelectasis": 0.10,
    "Cardiomegaly": 0.12,
    "Consolidation": 0.06,
    "Edema": 0.08,
    "Effusion": 0.12,
    "Emphysema": 0.05,
    "Fibrosis": 0.05,
    "Hernia": 0.03,
    "Infiltration": 0.10,
    "Mass": 0.05,
    "Nodule": 0.06,
    "Pleural_Thickening": 0.05,
    "Pneumonia": 0.12,
    "Pneumothorax": 0.05,
    COVID: BLOCK_POSITIVES / BLOCK_SIZE,
}
"""Share of patients with each finding; unless planted otherwise the same with and without any other finding."""

_FORM = "such as --comorbidity Edema,Effusion=0.4"


@dataclass(frozen=True)
class Comorbidity:
    """Hold two findings that come together more or less often than chance.

    Args:
        first: a label.
        second: another label.
        strength: correlation (phi coefficient) of the two labels over patients, 0 is chance.
    """

    first: str
    second: str
    strength: float

    def __str__(self) -> str:
        """Write the comorbidity as the command line takes it."""
        return f"{self.first},{self.second}={self.strength:g}"


@dataclass(frozen=True)
class Planting:
    """Hold what a phantom dataset is drawn with.

    Args:
        confounding: probability that the diagnosis decides a patient's room, 0 to 1; otherwise a fair coin does.
        shortcuts: the styles in which rooms differ, in the order of ``SHORTCUTS``.
        comorbidities: findings that come together.
    """

    confounding: float
    shortcuts: tuple[str, ...] = tuple(SHORTCUTS)
    comorbidities: tuple[Comorbidity, ...] = ()

    @property
    def share(self) -> float:
        """Return P(style | class), the expected share of a class that has its own style: 0.5 is chance."""
        return share_of(self.confounding)

    def arguments(self) -> dict[str, Any]:
        """Return the planting as run.json states it among the arguments."""
        return {
            "confounding": self.confounding,
            "shortcuts": list(self.shortcuts),
            "comorbidities": [str(pair) for pair in self.comorbidities],
        }


def share_of(confounding: float) -> float:
    """Return the share P(style | class) that a confounding means, 0.5 to 1.

    Example:
        >>> share_of(0.6)
        0.8
    """
    return round((1.0 + confounding) / 2.0, 12)


def confounding_of(share: float) -> float:
    """Return the confounding that gives a class its own style in a share P(style | class).

    Args:
        share: 0.5 (chance) to 1.

    Raises:
        UsageError: a share out of range.

    Example:
        >>> confounding_of(0.8)
        0.6
    """
    if not 0.5 <= share <= 1:
        raise UsageError(
            f"--bias '{share}' is not from 0.5 to 1: it is the share of a class that has its style, 0.5 is chance",
            "try --bias 0.8",
        )
    return round(2.0 * share - 1.0, 12)


def planting_from_options(
    name: str,
    *,
    confounding: float | None = None,
    bias: float | None = None,
    shortcuts: Sequence[str] = (),
    comorbidities: Sequence[str] = (),
) -> Planting:
    """Return what a phantom dataset is drawn with, from the options of the command line.

    Args:
        name: one of ``DATASETS``.
        confounding: 0 to 1; None takes the dataset's own.
        bias: the same as the share P(style | class), 0.5 to 1.
        shortcuts: names of ``SHORTCUTS``; none given plants all of them.
        comorbidities: texts of the form ``A,B=STRENGTH``.

    Raises:
        UsageError: an unknown name, a number out of range, or confounding and bias together.
    """
    check_name(DATASETS, name, kind="phantom dataset")
    if confounding is not None and bias is not None:
        raise UsageError(
            "--confounding and --bias exclude each other",
            "confounding c gives the share (1 + c) / 2 of a class its style, which --bias states directly",
        )
    for shortcut in shortcuts:
        check_name(SHORTCUTS, shortcut, kind="shortcut")
    if bias is not None:
        confounding = confounding_of(bias)
    strength = DATASETS[name].confounding if confounding is None else confounding
    if not 0 <= strength <= 1:
        raise UsageError(f"confounding '{strength}' is not from 0 to 1", "try --confounding 1")
    pairs = tuple(read_comorbidity(text) for text in comorbidities)
    conditional_prevalences(pairs)
    chosen = tuple(name for name in SHORTCUTS if name in shortcuts) or tuple(SHORTCUTS)
    return Planting(strength, chosen, pairs)


def read_comorbidity(text: str) -> Comorbidity:
    """Read ``A,B=STRENGTH``.

    Raises:
        UsageError: another form, an unknown label, one label twice, or a strength that the prevalences do not allow.

    Example:
        >>> read_comorbidity("Edema,Effusion=0.4")
        Comorbidity(first='Edema', second='Effusion', strength=0.4)
    """
    names, _, number = text.rpartition("=")
    first, comma, second = (part.strip() for part in names.partition(","))
    try:
        strength = float(number)
    except ValueError:
        strength = math.nan
    if not (first and comma and second) or math.isnan(strength):
        raise UsageError(f"--comorbidity '{text}' is not of the form A,B=STRENGTH", _FORM)
    for label in (first, second):
        check_name(LABELS, label, kind="finding")
    if first == second:
        raise UsageError(f"--comorbidity '{text}' names one finding twice", _FORM)
    low, high = strength_limits(first, second)
    if not low <= strength <= high:
        raise UsageError(
            f"--comorbidity '{text}' is impossible: with prevalences of {PREVALENCE[first]:g} and "
            f"{PREVALENCE[second]:g} the correlation is from {low:.3f} to {high:.3f}",
            f"such as --comorbidity {first},{second}={math.floor(high * 50) / 100:g}",
        )
    return Comorbidity(first, second, strength)


def strength_limits(first: str, second: str) -> tuple[float, float]:
    """Return the lowest and the highest correlation that the prevalences of two labels allow (Frechet bounds)."""
    p, q = PREVALENCE[first], PREVALENCE[second]
    scale = math.sqrt(p * (1 - p) * q * (1 - q))
    return -min(p * q, (1 - p) * (1 - q)) / scale, min(p * (1 - q), q * (1 - p)) / scale


Conditional = tuple[str, float, float]


def conditional_prevalences(comorbidities: Sequence[Comorbidity]) -> dict[str, Conditional]:
    """Return for each dependent label its partner, and its prevalence without and with that partner.

    The pairs must form no circle: every label then depends on one partner alone, so that all prevalences and all
    planted correlations are exact in expectation. COVID-19, which is drawn by blocks, depends on no other label. The
    dictionary is in an order in which partners come first.

    Raises:
        UsageError: a pair closes a circle, or is listed twice.

    Example:
        >>> label, (partner, without, beside) = next(
        ...     iter(conditional_prevalences([Comorbidity("Edema", "Mass", 0.2)]).items())
        ... )
        >>> label, partner, round(without, 4), round(beside, 4)
        ('Mass', 'Edema', 0.0371, 0.1978)
    """
    _refuse_circles(comorbidities)
    partners: dict[str, dict[str, float]] = {}
    for pair in comorbidities:
        partners.setdefault(pair.first, {})[pair.second] = pair.strength
        partners.setdefault(pair.second, {})[pair.first] = pair.strength
    conditionals: dict[str, Conditional] = {}
    visited: set[str] = set()
    for root in sorted(partners, key=lambda label: (label != COVID, LABELS.index(label))):
        stack = [] if root in visited else [root]
        while stack:
            label = stack.pop()
            visited.add(label)
            for dependent in sorted(set(partners[label]) - visited, key=LABELS.index):
                conditionals[dependent] = (label, *_conditional(label, dependent, partners[label][dependent]))
                stack.append(dependent)
    return conditionals


def _conditional(partner: str, label: str, strength: float) -> tuple[float, float]:
    """Return the prevalence of ``label`` without and with ``partner``, at a correlation of the two."""
    p, q = PREVALENCE[partner], PREVALENCE[label]
    covariance = strength * math.sqrt(p * (1 - p) * q * (1 - q))
    return q - covariance / (1 - p), q + covariance / p


def _refuse_circles(comorbidities: Sequence[Comorbidity]) -> None:
    component = {label: label for label in LABELS}
    for pair in comorbidities:
        first, second = component[pair.first], component[pair.second]
        if first == second:
            raise UsageError(
                f"--comorbidity '{pair}' closes a circle: the other pairs decide how {pair.first} and {pair.second} "
                "come together",
                "leave one of these pairs out",
            )
        component = {label: first if root == second else root for label, root in component.items()}


def record_planting(planting: Planting, present: Mapping[str, Sequence[bool]], *, exchanged: bool) -> dict[str, Any]:
    """Return what run.json says about a planting, with sentences for people under ``"summary"``.

    Args:
        planting: what the dataset is drawn with.
        present: for the labels of the comorbidities, whether each patient has it.
        exchanged: whether each class is shown in the other's style.
    """
    style = "the other class's style" if exchanged else "its style"
    sentences = [
        f"rooms differ in: {', '.join(planting.shortcuts)}",
        f"P(style | class): {100 * planting.share:.1f} % of a class has {style} (50 % is chance; this is --confounding "
        f"{planting.confounding:g})",
    ]
    pairs = []
    for pair in planting.comorbidities:
        measured = _phi(present[pair.first], present[pair.second])
        pairs.append({"labels": [pair.first, pair.second], "correlation": pair.strength, "measured": measured})
        measured_text = "not measurable" if measured is None else f"{measured:.3f}"
        count = len(present[pair.first])
        sentences.append(
            f"planted comorbidity: {pair.first} and {pair.second}, correlation {pair.strength:g} "
            f"({measured_text} among {quantity(count, 'patient')})"
        )
    return {
        "shortcuts": list(planting.shortcuts),
        "confounding": planting.confounding,
        "share": planting.share,
        "comorbidities": pairs,
        "summary": sentences,
    }


def _phi(first: Sequence[bool], second: Sequence[bool]) -> float | None:
    """Return the correlation of two binary sequences, None where one of them is constant."""
    count = len(first)
    p, q = sum(first) / count, sum(second) / count
    both = sum(a and b for a, b in zip(first, second, strict=True)) / count
    variance = p * (1 - p) * q * (1 - q)
    return (both - p * q) / math.sqrt(variance) if variance > 0 else None
