"""Which images are tested: candidates of a fold, and pairs of a positive and a negative of different persons.

What would invalidate a test: a person who is counted twice, since persons are its unit, or images that were chosen by
their logits. Both are excluded here: each person is in one pair at most, and chance alone chooses, from a
generator that the caller seeds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cxrshort.dataset import Dataset
from cxrshort.targets import read_targets

MOST_CANDIDATES = 1000
"""Images of each class among which pairs are chosen; a larger fold is sampled, so that finders end within minutes."""

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Candidates:
    """Hold the images of a fold that a test may use.

    Args:
        data: their rows.
        positive: (N,) whether an image has the finding.
        notes: what was left out, counted.
    """

    data: Dataset
    positive: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    @property
    def persons(self) -> list[str]:
        """Return whose images they are, (N,)."""
        return [str(person) for person in self.data.manifest["person_id"]]


def choose_candidates(
    fold: Dataset, label: str, *, rng: np.random.Generator, most: int = MOST_CANDIDATES
) -> Candidates:
    """Return the images that are positive or negative, a sample of each class where there are many.

    Args:
        fold: the rows of one fold.
        label: the finding; images without a word on it, or with a soft one, are left out and counted.
        rng: draws the sample.
        most: images of each class.

    Raises:
        UsageError: the dataset has no such label.
    """
    targets = read_targets(fold.manifest, label)
    notes, chosen = [], []
    if unclear := int((~np.isin(targets, (0, 1))).sum()):
        notes.append(f"{unclear} of {len(targets)} images are neither positive nor negative for {label}")
    for value in (0, 1):
        rows = np.flatnonzero(targets == value)
        if len(rows) > most:
            noun = "positives" if value else "negatives"
            notes.append(f"{most:,} of {len(rows):,} {noun} were drawn by chance as candidates")
            rows = np.sort(rng.choice(rows, most, replace=False))
        chosen.append(rows)
    rows = np.sort(np.concatenate(chosen))
    data = replace(fold, manifest=fold.manifest.iloc[rows].reset_index(drop=True))
    return Candidates(data, targets[rows] == 1, tuple(notes))


def choose_pairs(candidates: Candidates, eligible: Iterable[int], *, pairs: int, rng: np.random.Generator) -> Pairs:
    """Draw pairs of a positive and a negative of different persons; each person is in one pair at most.

    As many pairs as there can be are found: persons with images of one class are taken before those with both.

    Args:
        candidates: the images.
        eligible: positions of those that can be tested, as they have the region's boxes.
        pairs: how many pairs at most.
        rng: draws persons, and one image of each.

    Returns:
        Positions of the positive and of the negative of each pair.

    Example:
        >>> import pandas as pd
        >>> data = Dataset("tiny", pd.DataFrame({"person_id": ["a", "a", "b", "c"]}))
        >>> tiny = Candidates(data, np.array([True, False, False, False]))
        >>> len(choose_pairs(tiny, range(4), pairs=9, rng=np.random.default_rng(0)))
        1
    """
    persons = candidates.persons
    images: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
    for row in sorted(eligible):
        images[int(candidates.positive[row])].setdefault(persons[row], []).append(row)
    negatives, positives = images
    count = min(pairs, len(positives), len(negatives), len({**positives, **negatives}) // 2)
    first = _one_class_first(positives, negatives, rng)[:count]
    second = [person for person in _one_class_first(negatives, positives, rng) if person not in set(first)][:count]
    return [
        (int(rng.choice(positives[positive])), int(rng.choice(negatives[negative])))
        for positive, negative in zip(first, second, strict=True)
    ]


def _one_class_first(own: dict[str, list[int]], other: dict[str, list[int]], rng: np.random.Generator) -> list[str]:
    """Return persons in random order, those who have images of both classes last."""
    names = sorted(own)
    shuffled = [names[number] for number in rng.permutation(len(names))]
    return sorted(shuffled, key=lambda person: person in other)


def same_class_pairs(pairs: Pairs) -> list[tuple[int, int, bool]]:
    """Return pairs of two images of one class and whether it is the positive one; each image is in one of them at most.

    Example:
        >>> same_class_pairs([(0, 1), (2, 3), (4, 5)])
        [(0, 2, True), (1, 3, False)]
    """
    classes = ([positive for positive, _ in pairs], [negative for _, negative in pairs])
    return [
        (rows[start], rows[start + 1], rows is classes[0]) for rows in classes for start in range(0, len(rows) - 1, 2)
    ]
