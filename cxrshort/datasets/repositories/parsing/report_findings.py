"""Findings that PadChest and BIMCV list per report: from text to words, over time, to labels.

A report that says ``unchanged`` repeats the findings of the patient's latest earlier study. What would invalidate the
labels: taking the patient's earliest study instead, or reading a report that is not there as a normal one.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID
from cxrshort.datasets.repositories.parsing.fields import count_words, list_words, read_labels
from cxrshort.datasets.repositories.parsing.label_maps import PADCHEST_LABELS, PADCHEST_WITHOUT_LABEL

Words = tuple[str, ...] | None
"""The findings of a report, in lower case; None where there is no report."""

UNCHANGED = "unchanged"
_NO_REPORT = "\n"  # words hold no line breaks
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")


def split_findings(text: str) -> Words:
    """Return the words of a list such as ``['pneumonia', 'cardiomegaly']``, whatever it is written with.

    Items in quotes, parted by tabs or parted by commas are understood; nothing is evaluated. Brackets and spaces are
    dropped.

    Example:
        >>> split_findings("['Pleural effusion', ' normal', '']")
        ('pleural effusion', 'normal')
    """
    inner = text.strip().strip("[]")
    if not text or text == "nan":
        return None
    if "\t" in inner:
        items = inner.split("\t")
    elif _QUOTED.search(inner):
        items = [first or second for first, second in _QUOTED.findall(inner)]
    else:
        items = inner.split(",")
    words = (" ".join(item.strip(" \t'\"").lower().split()) for item in items)
    return tuple(dict.fromkeys(word for word in words if word))


def carry_forward(reports: Sequence[Words], patients: pd.Series, times: pd.Series) -> tuple[list[Words], int]:
    """Replace ``unchanged`` by the findings of the same patient's latest earlier study.

    Args:
        reports: the findings of each image.
        patients: the patient of each image.
        times: a text per image that sorts by time; ``""`` where it is unknown. Images of one study have one time.

    Returns:
        The findings, None where nothing is known; and how many images stay without findings because ``unchanged``
        refers to nothing.
    """
    carried = list(reports)
    affected = {patient for patient, words in zip(patients, carried, strict=True) if words and UNCHANGED in words}
    when = times.to_list()
    lost = 0
    for positions in _positions(patients, affected).values():
        before: Words = None
        for together in _by_time(positions, when):
            for position in together:
                words = carried[position]
                if words and UNCHANGED in words:
                    carried[position] = _replace(words, before)
                    lost += carried[position] is None
            before = _union([carried[position] for position in together])
    return carried, lost


def _positions(patients: pd.Series, selected: set[str]) -> dict[str, list[int]]:
    positions_of: dict[str, list[int]] = {patient: [] for patient in sorted(selected)}
    for position, patient in enumerate(patients):
        if patient in selected:
            positions_of[patient].append(position)
    return positions_of


def _by_time(positions: list[int], times: list[str]) -> list[list[int]]:
    """Group positions by time, the earliest first; each position of unknown time stands alone before all others."""
    groups: dict[str, list[int]] = {}
    for position in positions:
        groups.setdefault(times[position], []).append(position)
    unknown = [[position] for position in groups.pop("", [])]
    # An empty group between them makes an unknown time refer to nothing, and nothing refer to it.
    return [positions_at_once for group in unknown for positions_at_once in (group, [])] + [
        groups[time] for time in sorted(groups)
    ]


def _replace(words: tuple[str, ...], before: Words) -> Words:
    stated = tuple(word for word in words if word != UNCHANGED)
    if before is None:
        return stated or None
    return tuple(dict.fromkeys((*stated, *before)))


def _union(reports: list[Words]) -> Words:
    present = [words for words in reports if words is not None]
    return tuple(dict.fromkeys(word for words in present for word in words)) if present else None


def label_findings(
    reports: Sequence[Words], index: pd.Index, *, more: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Return the 14 labels (and COVID-19, if ``more`` names it) of each report, and a note on unknown words.

    Args:
        reports: the findings of each image; all its labels are empty where there is no report.
        index: index of the answer.
        more: further words by the label that they set.
    """
    table = _label_of_word([*PADCHEST_LABELS.items(), *(more or {}).items()])
    labels = (*CHESTX_RAY14_LABELS, COVID) if COVID in (more or {}) else CHESTX_RAY14_LABELS
    texts = pd.Series([_NO_REPORT if words is None else "\t".join(words) for words in reports], index=index, dtype=str)

    def decided(text: str) -> dict[str, float]:
        if text == _NO_REPORT:
            return dict.fromkeys(labels, np.nan)
        return {label: 1.0 for word in text.split("\t") for label in table.get(word, ())}

    def unknown(text: str) -> list[str]:
        words = [] if text in (_NO_REPORT, "") else text.split("\t")
        return [word for word in words if word not in table and word not in PADCHEST_WITHOUT_LABEL]

    counts = count_words(texts, unknown)
    notes = [list_words("unknown finding strings", counts)] if counts else []
    return read_labels(texts, decided, labels, otherwise=0.0), notes


def _label_of_word(groups: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, list[str]]:
    return {word: names.split("|") for names, words in groups for word in words}
