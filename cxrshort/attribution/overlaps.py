"""Which accused regions share pixels, so that one of them may be accused for what lies in the other.

A marker lies within the shoulders or the border: a shortcut in the one is attribution in the other. What would
invalidate the share: images in which one of the regions is unknown or empty, which count nowhere.
"""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from cxrshort.attribution.explained_regions import BORDER, ExplainedRegions
from cxrshort.attribution.region_verdicts import LabelFindings
from cxrshort.regions import CORNERS, EDGES
from cxrshort.stats.verdicts import MUCH_SHARED, OFTEN_SHARED, SHORTCUT, SUSPICIOUS

_AT_ONCE = 64
_SIDES = (*EDGES, *CORNERS)

Pair = tuple[str, str]


def overlap_notes(findings: Iterable[LabelFindings], regions: ExplainedRegions, *, images: int) -> list[str]:
    """Return a note on the accused regions that share pixels in many images; none where none do.

    Args:
        findings: the verdicts on each label.
        regions: of the explained images.
        images: how many there are.
    """
    shares = overlap_shares(regions, accused_pairs(findings), images=images)
    often = {pair: share for pair, share in shares.items() if share >= OFTEN_SHARED}
    with_border = {name for pair in often if BORDER in pair for name in pair}
    listed = [
        f"{first} and {second} in {100 * share:.0f} %".replace("_", " ")
        for (first, second), share in often.items()
        if not any(side in _SIDES and other in with_border for side, other in ((first, second), (second, first)))
    ]
    if not listed:
        return []
    return [f"regions overlap ({', '.join(listed)} of the images): a verdict on one region may be due to the other"]


def accused_pairs(findings: Iterable[LabelFindings]) -> list[Pair]:
    """Return the pairs of regions that both are accused or suspicious for a label, without the border's own parts."""
    pairs: dict[Pair, None] = {}
    for label_findings in findings:
        verdicts = label_findings.verdicts
        accused = sorted(verdict.region for verdict in verdicts if verdict.verdict in (SHORTCUT, SUSPICIOUS))
        for first, second in itertools.combinations(accused, 2):
            if {first, second} - {BORDER, *_SIDES}:
                pairs[first, second] = None
    return list(pairs)


def overlap_shares(regions: ExplainedRegions, pairs: Sequence[Pair], *, images: int) -> dict[Pair, float]:
    """Return for each pair the share of images, of those with both regions, in which they share much of the smaller.

    Args:
        regions: of the images.
        pairs: names of regions.
        images: how many there are.
    """
    names = sorted({name for pair in pairs for name in pair})
    columns = [regions.names.index(name) for name in names]
    both, much = np.zeros((2, len(names), len(names)), np.int64)
    for start in range(0, images if pairs else 0, _AT_ONCE):
        areas = regions.take(np.arange(start, min(start + _AT_ONCE, images))).areas[:, columns]
        flat = areas.reshape(*areas.shape[:2], -1).astype(np.float32)
        shared = flat @ flat.transpose(0, 2, 1)
        sizes = np.diagonal(shared, axis1=1, axis2=2)
        smaller = np.minimum(sizes[:, :, None], sizes[:, None, :])
        both += (smaller > 0).sum(axis=0)
        much += ((smaller > 0) & (shared >= MUCH_SHARED * smaller)).sum(axis=0)
    places = {pair: (names.index(pair[0]), names.index(pair[1])) for pair in pairs}
    return {pair: float(much[place] / max(1, both[place])) for pair, place in places.items()}
