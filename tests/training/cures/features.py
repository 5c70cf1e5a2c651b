"""Features of a model that prefers a shortcut: the disease in a few of them, a marker in others, noise in the rest."""

import numpy as np

from cxrshort.training.cures.contract import LastLayer, ValidationFeatures

WIDTH = 12
SHORTCUT = 4
"""The first feature that holds the marker; those before it hold the disease."""


def shortcut_features(
    *, persons: int = 400, agreement: float = 0.9, seed: int = 0, spread: float = 1.0
) -> tuple[ValidationFeatures, LastLayer]:
    """Return features of as many persons, and the last layer of a model that looks at the marker."""
    draw = np.random.default_rng(seed)
    sick = draw.integers(0, 2, persons)
    marked = np.where(draw.random(persons) < agreement, sick, 1 - sick)
    values = draw.normal(size=(persons, WIDTH)) * spread + 3.0
    values[:, :SHORTCUT] += 1.2 * sick[:, None]
    values[:, SHORTCUT : 2 * SHORTCUT] += 2.0 * marked[:, None]
    values[:, -1] = 7.0  # says nothing, and has no variance
    groups = np.where(marked, "site-b", "site-a").astype(object)
    names = np.array([f"P{row}" for row in range(persons)], dtype=object)
    data = ValidationFeatures(values, sick[:, None].astype(np.float32), ("COVID-19",), names, [groups])
    weights = np.zeros((1, WIDTH))
    weights[0, :SHORTCUT], weights[0, SHORTCUT : 2 * SHORTCUT] = 0.3, 1.0
    return data, LastLayer(weights, np.array([-SHORTCUT * 0.3 * 3.6 - SHORTCUT * 4.0]))


def worst_cell(layer: LastLayer, data: ValidationFeatures) -> float:
    """Return the lowest accuracy of a cell of group and class."""
    right = (layer.logits(data.values)[:, 0] > 0) == (data.targets[:, 0] == 1)
    cells = [(group, value) for group in sorted(set(data.groups[0])) for value in (0, 1)]
    return min(float(right[(data.groups[0] == group) & (data.targets[:, 0] == value)].mean()) for group, value in cells)


def nothing(done: int, count: int) -> None:
    """Take progress, and do nothing."""
