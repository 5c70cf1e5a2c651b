"""Deep feature reweighting: fit the last layer anew where groups are balanced (Kirichenko et al. 2023).

What the network has learnt of a disease is often there beside the shortcut; the last layer alone prefers the shortcut.
For each label: features are standardised, an L1 logistic regression is fitted to subsets of the validation persons in
which every cell of group and class has as many persons, and the fits are averaged. The strength of the penalty is the
one whose fit on half of the persons serves the worst group of the other half best. Standardisation is part of the
weights in the end, so that a linear layer of the same shape comes out.

What would invalidate the result: persons whom the network was trained on, whose features separate the classes better
than those of anyone else; groups that do not name the shortcut. Balanced cells also make the classes equally frequent,
so probabilities are those of a population with as many positives as negatives. What is reported of the new layer is
measured on the half that it was not fitted to; that half chose the penalty, one of seven.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cxrshort.errors import UsageError
from cxrshort.registry import check_name
from cxrshort.training.cures.contract import (
    Cure,
    CuredLayer,
    Floats,
    Judged,
    LastLayer,
    Progress,
    ValidationFeatures,
)
from cxrshort.training.cures.groups import Cells, Names, Rows, label_groups

CRITERIA = ("accuracy", "auc")
_FEWEST = 2
"""Persons in each cell, one for either half."""
_ITERATIONS = 2000
_NOISE = 1e-4
"""A feature whose standard deviation is a smaller share of its size varies by rounding alone, and is left out."""
_MASK64 = 2**64 - 1
_PREVALENCE = "probabilities are now those of a population with as many positives as negatives"
_HALVES, _TUNING, _FINAL = range(3)
"""What draws are for, as a part of their seed."""


@dataclass(frozen=True)
class DFRSettings:
    """Hold the settings of deep feature reweighting.

    Args:
        refits: fits on balanced subsets that are averaged, 1 or more; published 10 to 20.
        strengths: values of C, the inverse of the penalty's strength, that are tried, above 0 and joined by colons.
        criterion: what chooses among them on half of the validation persons: the worst cell's ``"accuracy"`` at a
            probability of one half, or the worst group's ``"auc"``.

    Raises:
        UsageError: a number out of range, or an unknown criterion.
    """

    refits: int = 20
    strengths: str = "1:0.7:0.3:0.1:0.07:0.03:0.01"
    criterion: str = "accuracy"

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if self.refits < 1:
            raise UsageError(f"the refits of dfr are '{self.refits}', they must be 1 or more", "try 20")
        check_name(CRITERIA, self.criterion, kind="criterion of dfr")
        _ = self.grid

    @property
    def grid(self) -> list[float]:
        """Return the values of C.

        Raises:
            UsageError: one of them is no number above 0.
        """
        try:
            values = [float(text) for text in self.strengths.split(":")]
        except ValueError:
            values = []
        if not values or not all(0 < value < float("inf") for value in values):
            raise UsageError(
                f"the strengths of dfr are '{self.strengths}', they must be numbers above 0 joined by colons",
                "such as --set strengths=1:0.1:0.01",
            )
        return values


class DFR(Cure):
    """Fit the last layer anew on group-balanced validation persons."""

    name = "dfr"
    Settings = DFRSettings
    tasks = ("multilabel",)
    settings: DFRSettings

    def read_groups(self, manifest: pd.DataFrame, group: str, labels: Sequence[str]) -> Sequence[Names]:
        """Return the groups for each label, without the label itself."""
        return [label_groups(manifest, group, label) for label in labels]

    def check(self, data: ValidationFeatures) -> None:
        """Refuse a fold without groups, or with a cell of group and class that has fewer than two persons."""
        if not data.groups:
            raise UsageError(
                f"'{self.name}' needs groups", "--group takes a column such as repository or view, or an expression"
            )
        for number, label in enumerate(data.labels):
            self._cells(data, number).check(label, method=self.name, fewest=_FEWEST)

    def fit(self, data: ValidationFeatures, layer: LastLayer, *, seed: int, progress: Progress) -> CuredLayer:
        """Return a layer of the same shape; one fit a label."""
        del layer
        layers, judged, records, notes = [], [], {}, [_PREVALENCE]
        for number, label in enumerate(data.labels):
            progress(number, len(data.labels))
            cells, seeds = self._cells(data, number), (seed & _MASK64, number)
            fitted, held_out, record = self._fit_label(data.values, cells, label=label, seeds=seeds)
            layers.append(fitted)
            judged.append(held_out)
            records[label] = record
            if record["fits_without_convergence"]:
                notes.append(f"{label}: {record['fits_without_convergence']} fits stopped before they converged")
        weights = np.concatenate([fitted.weights for fitted in layers])
        biases = np.concatenate([fitted.biases for fitted in layers])
        return CuredLayer(LastLayer(weights, biases), judged, {"labels": records}, notes)

    def _cells(self, data: ValidationFeatures, number: int) -> Cells:
        return Cells(data.groups[number], data.targets[:, number], data.persons)

    def _fit_label(
        self, values: Floats, cells: Cells, *, label: str, seeds: tuple[int, int]
    ) -> tuple[LastLayer, Judged, dict[str, Any]]:
        """Choose C on half of the persons, and refit on all of them."""
        half, held_out = cells.halves(np.random.default_rng([*seeds, _HALVES]))
        for part in (half, held_out):
            part.check(label, method=self.name, fewest=1)
        measure = held_out.worst_accuracy if self.settings.criterion == "accuracy" else held_out.worst_auc
        trials, best, logits, failures = {}, float("nan"), np.zeros(0), 0
        for strength in self.settings.grid:
            fitted, unfinished = self._average(values, half, strength, seeds=(*seeds, _TUNING))
            failures += unfinished
            scores = fitted.logits(values[held_out.rows])[:, 0]
            trials[strength] = measure(scores)
            if not trials[strength] <= best:  # the first of equals, and anything before the first number
                best, logits, chosen = trials[strength], scores, strength
        fitted, unfinished = self._average(values, cells, chosen, seeds=(*seeds, _FINAL))
        record = {
            "strength": chosen,
            "criterion": f"worst {'cell' if self.settings.criterion == 'accuracy' else 'group'}'s "
            f"{self.settings.criterion}",
            "trials": {f"{strength:g}": value for strength, value in trials.items()},
            "persons_by_cell": dict(zip(self._cell_names(cells), cells.persons_by_cell(), strict=True)),
            "features_used": int(np.count_nonzero(fitted.weights)),
            "fits_without_convergence": failures + unfinished,
        }
        return fitted, Judged(held_out.rows, held_out.groups, logits), record

    @staticmethod
    def _cell_names(cells: Cells) -> list[str]:
        return [f"{name}, {value}" for name in cells.names for value in (0, 1)]

    def _average(
        self, values: Floats, cells: Cells, strength: float, *, seeds: tuple[int, ...]
    ) -> tuple[LastLayer, int]:
        """Return the mean of the fits on balanced subsets, for features as they are, and how many did not converge."""
        scaler = StandardScaler().fit(values[cells.rows])
        size = np.abs(values[cells.rows]).max(axis=0)
        varies = np.sqrt(scaler.var_) > _NOISE * size
        standard = np.where(varies, scaler.transform(values[cells.rows]), 0.0)
        weights, bias, failures = np.zeros(values.shape[1]), 0.0, 0
        for refit in range(self.settings.refits):
            subset = cells.balanced(np.random.default_rng([*seeds, refit]))
            coefficients, intercept, converged = _fit_logistic(standard, cells.classes, subset, strength=strength)
            weights += coefficients / self.settings.refits
            bias += intercept / self.settings.refits
            failures += not converged
        folded = np.where(varies, weights / scaler.scale_, 0.0)
        return LastLayer(folded[None], np.array([bias - folded @ scaler.mean_])), failures


def _fit_logistic(values: Floats, classes: Rows, subset: Rows, *, strength: float) -> tuple[Floats, float, bool]:
    """Return coefficients (D,) and intercept of an L1 logistic regression on a subset, and whether it converged."""
    model = LogisticRegression(
        **_l1(), C=strength, solver="liblinear", max_iter=_ITERATIONS, random_state=0, intercept_scaling=1.0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(values[subset], classes[subset])
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return model.coef_[0], float(model.intercept_[0]), converged


def _l1() -> dict[str, Any]:
    """Return how this version of scikit-learn is asked for an L1 penalty; 1.8 renamed it."""
    return {"penalty": "l1"} if LogisticRegression().penalty == "l2" else {"l1_ratio": 1.0}
