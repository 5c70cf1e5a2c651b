"""P-ClArC: project the direction of a shortcut out of the features (Anders et al. 2022; Pahde et al. 2023).

The direction is the pattern v = cov(h, t) / var(t) of the features h with the shortcut's presence t, of unit length,
and not a classifier's weights, which also point away from whatever disturbs the classification. Features become
h - v v^T (h - m), m the mean of images without the shortcut; before a linear layer that is another linear layer, so an
ordinary model file comes out. The reactive form (Bareeva et al. 2024, arXiv 2404.09601) projects only where a linear
detector on the same features finds the shortcut, since what is projected everywhere is lost everywhere.

What would invalidate the result: a shortcut that goes with the disease, whose plain covariance is that of the disease
as well. Covariances are therefore taken within classes by default (labels are regressed out of features and presence),
and where classes and shortcut agree altogether, no direction can be told from the disease: that is refused. The AUC
after the cure is of the persons that the direction was found on; no label was fitted to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cxrshort.errors import DataError, UsageError
from cxrshort.registry import check_name
from cxrshort.stats.auc import auc
from cxrshort.training.cures.contract import (
    Cure,
    CuredLayer,
    Floats,
    Judged,
    LastLayer,
    Progress,
    ReactiveLayer,
    ValidationFeatures,
)

SOURCES = ("group", "masks")
WITHIN = ("labels", "none")
PRESENT, ABSENT = "present", "absent"
_LEFT = 1e-6
"""Share of the variance of the presence that must be left once labels are regressed out."""
_ROUNDING = 1e-9
"""A pattern of so small a share of the largest feature is rounding."""
_FEWEST = 2
"""Persons with the shortcut, and without it."""
_FOLDS = 5
"""Parts of the persons, in each of which a detector of the others is judged."""
_ITERATIONS = 2000
_THRESHOLDS = "logits are now those of images without the shortcut: choose thresholds anew"


@dataclass(frozen=True)
class PClArCSettings:
    """Hold the settings of P-ClArC.

    Args:
        source: what says where the shortcut is: ``"group"``, the column or expression of ``--group``; or ``"masks"``,
            images whose masks have any pixel of ``--mask-bit``, such as text or marker.
        present: the group that has the shortcut, against all others; empty takes the last of two by name, so true of an
            expression.
        within: ``"labels"`` takes covariances within classes, ``"none"`` over all images.
        reactive: whether features are projected only where a linear detector finds the shortcut.
        detector_strength: C of the detector, an L2 logistic regression on standardised features, above 0.

    Raises:
        UsageError: a number out of range, or an unknown word.
    """

    source: str = "group"
    present: str = ""
    within: str = "labels"
    reactive: bool = False
    detector_strength: float = 0.01

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        check_name(SOURCES, self.source, kind="source of p-clarc")
        check_name(WITHIN, self.within, kind="way of p-clarc to take covariances")
        if not self.detector_strength > 0:
            raise UsageError(
                f"the detector_strength of p-clarc is '{self.detector_strength}', it must be above 0", "try 0.01"
            )
        if self.present and self.source == "masks":
            raise UsageError("present names a group, and source=masks has none", "leave one of them out")


class PClArC(Cure):
    """Project the direction of a shortcut out of the features."""

    name = "p-clarc"
    Settings = PClArCSettings
    tasks = ("multilabel", "multiclass")
    settings: PClArCSettings

    @property
    def from_masks(self) -> bool:
        """Return whether masks say where the shortcut is, and not a column."""
        return self.settings.source == "masks"

    def check(self, data: ValidationFeatures) -> None:
        """Refuse a fold in which no image has the shortcut, none is without it, or it goes with the labels alone."""
        present, used = self._presence(data)
        for value, word in ((True, "with"), (False, "without")):
            count = len(set(data.persons[used][present[used] == value]))
            if count < _FEWEST:
                raise DataError(
                    f"{count} val persons are {word} the shortcut, '{self.name}' needs {_FEWEST}",
                    "look at --group, or at --mask-bit where masks say where it is",
                )
        values = present[used].astype(np.float64)
        if self._residuals(values[:, None], data.targets[used]).var() <= _LEFT * values.var():
            raise DataError(
                f"labels and shortcut agree in all {int(used.sum())} val images, so their directions are one",
                "--dataset with images in which they do not, or --set within=none to lose both",
            )

    def fit(self, data: ValidationFeatures, layer: LastLayer, *, seed: int, progress: Progress) -> CuredLayer:
        """Return a layer that does not see the direction, or one that does so where the shortcut is detected."""
        del seed  # nothing is drawn
        progress(0, 1)
        present, used = self._presence(data)
        values, has_shortcut = data.values[used], present[used]
        pattern = self._pattern(values, has_shortcut, data.targets[used])
        length = float(np.linalg.norm(pattern))
        if not length > _ROUNDING * np.abs(values).max():
            raise DataError(
                "no feature varies with the shortcut, so the model does not see it", "another --group has another one"
            )
        direction = pattern / length
        projected = project(layer, direction, clean_mean=values[~has_shortcut].mean(axis=0))
        record: dict[str, Any] = {
            "images": {"with": int(has_shortcut.sum()), "without": int((~has_shortcut).sum())},
            "images_without_group": int((~used).sum()),
            "length_of_pattern": length,
            "auc_of_direction": auc(has_shortcut, values @ direction),
        }
        cured: LastLayer | ReactiveLayer = projected
        if self.settings.reactive:
            detector = self._detect(values, has_shortcut)
            cured = ReactiveLayer(layer, projected, detector)
            record["auc_of_detector"] = self._judge_detector(values, has_shortcut, data.persons[used])
            record["images_detected"] = int((detector.logits(values) > 0).sum())
        scores, rows = self.scores(cured.logits(values)), np.flatnonzero(used)
        groups = np.where(has_shortcut, PRESENT, ABSENT).astype(object)
        judged = [Judged(rows, groups, column) for column in scores.T]
        return CuredLayer(cured, judged, record, [_THRESHOLDS])

    def _presence(self, data: ValidationFeatures) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return where the shortcut is, (N,), and which images say so, (N,).

        Raises:
            UsageError: there is no group, or not two of them, and none is named.
        """
        if self.from_masks and data.present is not None:
            return data.present, np.ones(len(data.present), bool)
        if not data.groups:
            raise UsageError(
                f"'{self.name}' needs groups, or masks",
                "--group repository --set present=NAME, an expression, or --set source=masks --mask-bit text",
            )
        groups = data.groups[0]
        names = sorted(set(groups) - {""})
        chosen = self.settings.present or (names[-1] if len(names) == 2 else "")
        if not chosen:
            raise UsageError(
                f"--group has {len(names)} values among the val images, and '{self.name}' needs two",
                "--set present=NAME takes one against all others",
            )
        check_name(names, chosen, kind="group of the val images")
        present: npt.NDArray[np.bool_] = groups == chosen
        return present, groups != ""

    def _residuals(self, values: Floats, targets: npt.NDArray[np.float32]) -> Floats:
        """Return values (N, D) less their mean, within the classes of every label; an empty label has its mean."""
        design = np.ones((len(values), 1))
        if self.settings.within == "labels":
            filled = targets.astype(np.float64)
            empty = np.isnan(filled)
            counts = np.maximum((~empty).sum(axis=0), 1)
            means = np.where(empty, 0, filled).sum(axis=0) / counts
            design = np.c_[design, np.where(empty, means, filled)]
        return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]

    def _pattern(self, values: Floats, present: npt.NDArray[np.bool_], targets: npt.NDArray[np.float32]) -> Floats:
        """Return cov(h, t) / var(t), (D,)."""
        both = self._residuals(np.c_[values, present], targets)
        features, presence = both[:, :-1], both[:, -1]
        return features.T @ presence / (presence @ presence)

    def _detect(self, values: Floats, present: npt.NDArray[np.bool_]) -> LastLayer:
        """Return a linear detector of the shortcut, for features as they are."""
        scaler = StandardScaler().fit(values)
        model = LogisticRegression(
            C=self.settings.detector_strength, class_weight="balanced", max_iter=_ITERATIONS
        ).fit(scaler.transform(values), present)
        weights = model.coef_ / scaler.scale_
        return LastLayer(weights, model.intercept_ - weights @ scaler.mean_)

    def _judge_detector(
        self, values: Floats, present: npt.NDArray[np.bool_], persons: npt.NDArray[np.object_]
    ) -> float | None:
        """Return the AUC of detectors of other persons; None where the persons are too few for it."""
        scores = np.full(len(values), np.nan)
        for held_out in _person_folds(persons, present):
            if len(set(present[~held_out])) < 2:
                return None
            scores[held_out] = self._detect(values[~held_out], present[~held_out]).logits(values[held_out])[:, 0]
        return auc(present, scores)


def project(layer: LastLayer, direction: Floats, *, clean_mean: Floats) -> LastLayer:
    """Return the layer that gives h what another one gives h - v v^T (h - m).

    Args:
        layer: the other one.
        direction: v, (D,), of unit length.
        clean_mean: m, (D,).

    Example:
        >>> layer = LastLayer(np.array([[1.0, 2.0]]), np.array([0.5]))
        >>> project(layer, np.array([1.0, 0.0]), clean_mean=np.array([3.0, 0.0])).logits(np.array([[9.0, 1.0]]))
        array([[5.5]])
    """
    along = layer.weights @ direction
    return LastLayer(layer.weights - np.outer(along, direction), layer.biases + along * (direction @ clean_mean))


def _person_folds(persons: npt.NDArray[np.object_], present: npt.NDArray[np.bool_]) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield the rows of each fifth of the persons, those with the shortcut and those without it divided alike."""
    with_shortcut = set(persons[present])
    place = {
        person: number % _FOLDS
        for members in (sorted(with_shortcut), sorted(set(persons) - with_shortcut))
        for number, person in enumerate(members)
    }
    folds = np.array([place[person] for person in persons])
    for fold in range(_FOLDS):
        if (folds == fold).any():
            yield folds == fold
