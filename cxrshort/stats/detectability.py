"""How well an attribute can be read from pixels: what an out-of-fold probe explains of it within classes of a label.

What would invalidate the numbers:

- Images of one person, in two folds or counted twice. A row is a person here; see ``mutual_information.py``.
- A probe that reads the disease where the attribute goes with it. So it is judged within each class of the label, and
  the null distribution exchanges attributes within each class. Where no class holds two values, attribute and label
  cannot be told apart; then all images are judged together, and ``within`` says so.
- Low detectability read as invisibility. The probe is a ridge regression on features of the pixels; a network may see
  more.

The probe is linear in what it predicts, so that hundreds of null distributions cost one decomposition: each of them is
of probes that were fitted again to exchanged attributes. Without that, folds that teach each other make too many
attributes look detectable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from cxrshort.stats.midranks import Floats, Integers
from cxrshort.stats.mutual_information import Information, adjust_information, table_information

DRAWS = 199
RIDGE = 0.1
"""Weight of the penalty, for each row and standardised feature; 0.1 and 1 differ by less than 0.01 in AUC."""
_AT_ONCE = 50
"""Draws that are predicted together: 10,000 persons x 5 levels x 50 draws x 8 bytes = 20 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldedFeatures:
    """Hold the features of rows, standardised and decomposed for each fold.

    Args:
        folds: (N,) from 0.
        parts: for each fold the features of the other folds, the factor of their moments, and the fold's own features.
    """

    folds: Integers
    parts: Sequence[tuple[Floats, tuple[Floats, bool], Floats]]

    def predict(self, targets: Floats) -> Floats:
        """Return out-of-fold predictions of many targets at once.

        Args:
            targets: (N, T).
        """
        predicted = np.empty_like(targets)
        for fold, (train, factor, test) in enumerate(self.parts):
            inside = self.folds == fold
            others = targets[~inside]
            mean = others.mean(axis=0)
            predicted[inside] = test @ cho_solve(factor, train.T @ (others - mean)) + mean
        return predicted


@dataclass(frozen=True, slots=True)
class Detectability:
    """Hold how well an attribute can be read from pixels.

    Args:
        information: the share of the attribute's entropy that the probe explains within the classes of the label.
        within: whether it was judged within classes; otherwise attribute and label cannot be told apart.
    """

    information: Information
    within: bool


def fold_features(features: Floats, folds: Integers) -> FoldedFeatures:
    """Prepare features for probes of many attributes.

    Args:
        features: (N, F), a row for each person.
        folds: (N,) from 0, each with rows.
    """
    parts = []
    for fold in range(int(folds.max()) + 1):
        inside = folds == fold
        train = features[~inside].astype(np.float64)
        mean, spread = train.mean(axis=0), train.std(axis=0)
        kept = spread > 1e-9
        train = (train[:, kept] - mean[kept]) / spread[kept]
        test = (features[inside][:, kept] - mean[kept]) / spread[kept]
        moments = train.T @ train + RIDGE * len(train) * np.eye(int(kept.sum()))
        parts.append((train, cho_factor(moments), test))
    return FoldedFeatures(folds, parts)


def detectability(
    features: FoldedFeatures,
    levels: Integers,
    targets: Floats,
    *,
    rng: np.random.Generator,
    numbers: Floats | None = None,
    level: float = 0.95,
) -> Detectability:
    """Return the share of an attribute's entropy that an out-of-fold probe of the pixels explains, chance-corrected.

    Args:
        features: of N persons.
        levels: (N,) the attribute's levels from 0.
        targets: (N,) the label, 0 or 1.
        rng: exchanges attributes within each class.
        numbers: (N,) of which the levels are intervals; then the probe predicts the number.
        level: coverage in (0, 1).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> targets, levels = np.repeat([0.0, 1.0], 100), np.tile([0, 1], 100)
        >>> seen = fold_features(levels[:, None] + 0.1 * rng.normal(size=(200, 3)), np.arange(200) // 2 % 5)
        >>> detected = detectability(seen, levels, targets, rng=rng)
        >>> f"{detected.information.value:.2f} {detected.within}"
        '1.00 True'
    """
    strata = targets.astype(np.int64)
    varied = [len(np.unique(levels[strata == stratum])) > 1 for stratum in np.unique(strata)]
    within = any(varied)
    strata = strata if within else np.zeros_like(strata)
    if len(np.unique(levels)) < 2:
        return Detectability(Information(None, persons=len(levels), reason="only one value"), within)
    truth = np.eye(int(levels.max()) + 1)[levels] if numbers is None else numbers[:, None]
    orders = np.stack([np.arange(len(levels)), *(_exchange(strata, rng) for _ in range(DRAWS))])
    tables = np.concatenate(
        [
            _tables(features, truth, levels, orders[start : start + _AT_ONCE], strata, is_number=numbers is not None)
            for start in range(0, len(orders), _AT_ONCE)
        ]
    )
    values = table_information(tables)
    observed, null = float(values[0]), values[1:]
    information = adjust_information(tables[0], observed, null, expected=float(null.mean()), level=level)
    return Detectability(replace(information), within)


def _exchange(strata: Integers, rng: np.random.Generator) -> Integers:
    """Return an order of rows in which rows change places within their stratum."""
    order = np.arange(len(strata))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        order[rows] = rng.permutation(rows)
    return order


def _tables(
    features: FoldedFeatures, truth: Floats, levels: Integers, orders: Integers, strata: Integers, *, is_number: bool
) -> Floats:
    """Return counts of predicted and true levels in each stratum, (D, S, L, L)."""
    draws, count = len(orders), int(levels.max()) + 1
    exchanged = truth[orders]  # (D, N, T)
    predicted = features.predict(np.concatenate(list(exchanged), axis=1)).reshape(len(levels), draws, -1)
    if is_number:
        guesses = _cut(predicted[:, :, 0], np.bincount(levels))
    else:
        share = truth.mean(axis=0)
        # In units of the spread, so that a rare level is guessed where it is likelier than usual.
        guesses = ((predicted - share) / np.sqrt(share * (1 - share))).argmax(axis=2)
    stratum_count = int(strata.max()) + 1
    cells = ((np.arange(draws)[:, None] * stratum_count + strata) * count + guesses.T) * count + levels[orders]
    shape = (draws, stratum_count, count, count)
    tables: Floats = np.bincount(cells.ravel(), minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)
    return tables


def _cut(predicted: Floats, sizes: Integers) -> Integers:
    """Return levels of predicted numbers, as many of each as there are true ones."""
    ranks = predicted.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    levels: Integers = np.searchsorted(np.cumsum(sizes), ranks, side="right")
    return levels
