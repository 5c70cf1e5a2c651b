"""The folds that a classifier is trained and selected on; the test fold is never opened here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr

from cxrshort import registry
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.expressions import categories
from cxrshort.images.prefetch import Source
from cxrshort.models.outputs import MULTILABEL, Task
from cxrshort.models.scoring import score
from cxrshort.stats.auc import Sample, auc, auc_interval, macro_auc_limits
from cxrshort.targets import label_matrix, read_targets
from cxrshort.training.recipes import Recipe

MACRO = "mean over labels"


@dataclass(frozen=True)
class Folds:
    """Hold the training and validation folds, their targets, and what chooses the epoch.

    Args:
        train: the training fold.
        val: the validation fold.
        labels: names of the L outputs.
        train_targets: (N, L) float32, NaN where a label is empty.
        val_targets: the same for the validation fold.
        select: position of the label whose AUC chooses the epoch; None takes the mean over several labels.
        left_out: labels that a network could not learn here.
        task: what the outputs mean.
        groups: (N,) codes of the training images' groups, -1 where empty; None where the run has no groups.
        read_as_zero: number of empty labels in the training fold that count as negative.
    """

    train: Dataset
    val: Dataset
    labels: tuple[str, ...]
    train_targets: npt.NDArray[np.float32]
    val_targets: npt.NDArray[np.float32]
    select: int | None
    left_out: tuple[str, ...] = ()
    task: Task = MULTILABEL
    groups: npt.NDArray[np.int64] | None = None
    read_as_zero: int = 0

    @classmethod
    def cut(cls, data: Dataset, recipe: Recipe, *, replicate: int, explicit_label: bool) -> "Folds":
        """Cut one replicate's folds out of a dataset.

        Args:
            data: the whole dataset.
            recipe: says which labels, how empty ones are read and what selects.
            replicate: the number of the split.
            explicit_label: whether the user named the selecting label, so that it must be there.

        Raises:
            UsageError: a label that the dataset does not have.
            DataError: the selecting label, or every label where their mean selects, has one class only.
        """
        train, val = data.fold("train", replicate=replicate), data.fold("val", replicate=replicate)
        empty_as = 0.0 if recipe.empty_labels == "zero" else float("nan")
        task = Task(recipe.task)
        labels, left_out = _choose_labels(train, recipe, task)
        targets = [read_fold_targets(fold, labels, empty_as=empty_as) for fold in (train, val)]
        if recipe.rest_class:
            labels, targets = add_rest_class(labels, targets, name=recipe.rest_class)
        select = _choose_select(labels, recipe, explicit=explicit_label)
        groups = group_codes(train, recipe.group) if recipe.group else None
        read = _count_empty(train, labels) if recipe.empty_labels == "zero" else 0
        folds = cls(train, val, tuple(labels), targets[0], targets[1], select, left_out, task, groups, read)
        folds.check(data.name, replicate=replicate)
        return folds

    def check(self, name: str, *, replicate: int) -> None:
        """Refuse numbers as labels, and folds in which nothing can choose the epoch: a class is missing there."""
        if self.task.name == "regression":
            return
        self._check_range()
        if self.task.name == "multiclass":
            self._check_classes(name)
        if self.select is None:
            if not any(_has_both_classes(column) for column in self.val_targets.T):
                where = f"'val' of 'split_{replicate}'"
                raise DataError(
                    f"{name}: no label has both classes in {where}, so nothing can choose the epoch",
                    "choose another --replicate, or build a larger dataset",
                )
            return
        for split, targets in (("train", self.train_targets), ("val", self.val_targets)):
            values = targets[:, self.select]
            classes = _leanings(values) if split == "train" else values  # soft labels train, and measure no AUC
            if not _has_both_classes(classes):
                label = self.labels[self.select]
                have = "positive" if (classes == 0).any() else "negative" if (classes == 1).any() else "labelled"
                raise DataError(
                    f"{name}: label '{label}' has no {have} image in '{split}' of 'split_{replicate}'",
                    "choose another --select-label or --replicate",
                )

    def _check_range(self) -> None:
        for label, column in zip(self.labels, self.train_targets.T, strict=True):
            if np.nanmin(column, initial=0.0) < 0 or np.nanmax(column, initial=1.0) > 1:
                raise UsageError(
                    f"'{label}' holds numbers beyond 0 to 1, which are no labels",
                    f"--labels {label} --regression learns the number",
                )

    def _check_classes(self, name: str) -> None:
        if len(self.labels) < 2:
            raise UsageError(f"--multiclass needs two classes or more, not '{self.labels[0]}' alone", "--labels A,B,C")
        ambiguous = int((np.nan_to_num(self.train_targets).sum(axis=1) > 1 + 1e-6).sum())
        if ambiguous:
            raise DataError(
                f"{name}: {ambiguous} of {len(self.train_targets)} training images are of several of the classes",
                "--labels A,B,C names classes that exclude each other",
            )

    def validate(self, model: torch.nn.Module, compute: Compute, *, pixels: Source | None = None) -> dict[str, float]:
        """Return the validation loss, and as ``score`` what chooses the epoch: an AUC, or a rank correlation.

        Both are NaN where an output is. An AUC has its 95 % limits over persons, ``score_low`` and ``score_high``,
        where there are any.

        Args:
            model: what learns.
            compute: device and precision.
            pixels: what the model is given; None takes the validation fold's images.
        """
        return self.judge(score(model, self.val.pixels if pixels is None else pixels, compute=compute))

    def judge(self, logits: npt.NDArray[np.float32]) -> dict[str, float]:
        """Return what :meth:`validate` does, of logits (N, L) of the validation images."""
        if not np.isfinite(logits).all():  # weights that are numbers still, and too large
            return {"val_loss": float("nan"), "score": float("nan")}
        tensor = torch.from_numpy(logits)
        loss = float(self.task.losses(tensor, torch.from_numpy(self.val_targets)).mean())
        scores = self.task.scores(tensor).numpy()
        columns = range(len(self.labels)) if self.select is None else [self.select]
        measured = [self._measure(self.val_targets[:, column], scores[:, column]) for column in columns]
        defined = [value for value in measured if value is not None]
        measures = {"val_loss": loss, "score": float(np.mean(defined)) if defined else float("nan")}
        limits = None if self.task.name == "regression" else self._limits(scores)
        return measures if limits is None else {**measures, "score_low": limits[0], "score_high": limits[1]}

    def _limits(self, scores: npt.NDArray[np.float32]) -> tuple[float, float] | None:
        """Return the limits of the AUC that chooses the epoch, or of the mean; None where nothing can be said."""
        persons = self.val.manifest["person_id"].to_numpy()
        if self.select is not None:
            interval = auc_interval(self.val_targets[:, self.select], scores[:, self.select], persons)
            return None if interval.low is None or interval.high is None else (interval.low, interval.high)
        samples = [
            Sample(targets, column, persons)
            for targets, column in zip(self.val_targets.T, scores.T, strict=True)
            if _has_both_classes(targets)
        ]
        return macro_auc_limits(samples)

    def _measure(self, targets: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]) -> float | None:
        if self.task.name != "regression":
            return auc(targets, scores)
        has_target = ~np.isnan(targets)
        if has_target.sum() < 2 or np.ptp(targets[has_target]) == 0 or np.ptp(scores[has_target]) == 0:
            return 0.0
        return float(spearmanr(targets[has_target], scores[has_target]).statistic)

    @property
    def measure(self) -> str:
        """Return the name of the measure that selects the epoch."""
        name = "rank correlation" if self.task.name == "regression" else "AUC"
        return f"{name} of {MACRO}" if self.select is None else f"{name} of {self.labels[self.select]}"


def read_fold_targets(fold: Dataset, labels: Sequence[str], *, empty_as: float) -> npt.NDArray[np.float32]:
    """Return targets (N, L) in which empty diseases read ``empty_as``; an unknown sex or view stays unknown."""
    matrix = label_matrix(fold.manifest, labels)
    diseases = np.isin(labels, fold.labels)
    matrix[:, diseases] = np.where(np.isnan(matrix[:, diseases]), np.float32(empty_as), matrix[:, diseases])
    return matrix


def add_rest_class(
    labels: list[str], targets: list[npt.NDArray[np.float32]], *, name: str
) -> tuple[list[str], list[npt.NDArray[np.float32]]]:
    """Return the exclusive classes with one more, of the images that are of none of them; unknown where one is."""
    if name in labels:
        raise UsageError(f"--rest-class is '{name}', which is one of --labels", "give it a name of its own")
    return [*labels, name], [np.c_[matrix, np.clip(1 - matrix.sum(axis=1), 0, None)] for matrix in targets]


def _count_empty(fold: Dataset, labels: Sequence[str]) -> int:
    diseases = [label for label in labels if label in fold.labels]
    return int(np.isnan(label_matrix(fold.manifest, diseases)).sum()) if diseases else 0


def group_codes(data: Dataset, group: str) -> npt.NDArray[np.int64]:
    """Return the code of each image's group, (N,), -1 where it is empty; groups are numbered by name.

    Args:
        data: the training fold.
        group: a column, or an expression.
    """
    values = categories(data.manifest, group)
    names = sorted(set(values) - {""})
    return values.map({name: code for code, name in enumerate(names)}).fillna(-1).to_numpy(dtype=np.int64)


def _has_both_classes(targets: npt.NDArray[np.float32]) -> bool:
    return bool((targets == 1).any() and (targets == 0).any())


def _leanings(targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return soft targets as the nearer of 0 and 1; NaN at 0.5, which is neither, and where they are empty."""
    return np.where(targets == 0.5, np.float32(np.nan), np.round(targets))


def _choose_labels(train: Dataset, recipe: Recipe, task: Task) -> tuple[list[str], tuple[str, ...]]:
    """Return the outputs, and the labels that a network could not learn: those without both classes in training."""
    available = train.labels
    if recipe.labels != "all":
        requested = [label.strip() for label in recipe.labels.split(",")]
        for number, label in enumerate(requested):
            read_targets(train.manifest, label)
            if label in requested[:number]:
                raise UsageError(f"--labels names '{label}' twice", "name each label once")
        return requested, ()
    if task.name == "regression":
        raise UsageError("a regression needs to know which number", "--labels NAME, such as --labels brixia_score")
    if recipe.empty_labels == "zero" or task.name == "multiclass":
        return available, ()
    learnable = [
        label for label in available if (train.manifest[label] > 0.5).any() and (train.manifest[label] < 0.5).any()
    ]
    if not learnable:
        raise DataError(f"{train.name}: no label has both classes in the training fold", "build a dataset with both")
    return learnable, tuple(label for label in available if label not in learnable)


def _choose_select(labels: list[str], recipe: Recipe, *, explicit: bool) -> int | None:
    if explicit:
        registry.check_name(labels, recipe.select_label, kind="label of this model")
    if len(labels) == 1:
        return 0
    return labels.index(recipe.select_label) if recipe.select_label in labels else None
