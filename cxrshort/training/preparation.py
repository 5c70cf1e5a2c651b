"""What a run needs beyond its recipe: what exactly trains, on which batches, judged how, and saved as what."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort import registry, runs
from cxrshort.columns import MASK_BITS
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import UsageError
from cxrshort.images.prefetch import Source
from cxrshort.models import checkpoint, pipeline
from cxrshort.models.architecture import Architecture
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.foreground import foreground
from cxrshort.models.outlines import draw_outlines, load_segmenter
from cxrshort.models.outputs import Task
from cxrshort.models.sources.foreign import is_foreign, name_by_content
from cxrshort.training import AUGMENTATIONS, recipes
from cxrshort.training.checks import AnyFolds, Segmenter, check_segmenter_people
from cxrshort.training.data.batches import Batches, MaskSource
from cxrshort.training.data.features import compute_features, has_fixed_features, head, time_features
from cxrshort.training.data.folds import Folds
from cxrshort.training.data.sampling import (
    balanced_chances,
    given_weights,
    known_targets,
    label_codes,
    positive_weights,
)
from cxrshort.training.data.segmentation import MaskFolds, WholeImage, measure_drawn, without_background
from cxrshort.training.loop import Validate
from cxrshort.training.recipes import Recipe


@dataclass(frozen=True)
class Lesson:
    """Hold what a run trains, on what, and what becomes of it.

    Args:
        learner: what the loop trains: a classifier or segmenter, or the head of one whose features are fixed.
        batches: what the learner is given.
        validate: judges the learner's present state.
        whole: the model that is saved; it shares the learner's parameters.
        description: of the whole.
        seconds_before: what a trial expects of that which is computed once, before the first epoch.
    """

    learner: nn.Module
    batches: Batches
    validate: Validate
    whole: Classifier
    description: Description
    seconds_before: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Say how a model is to be trained.

    Args:
        recipe: every setting.
        architecture: of the model.
        compute: device and precision.
        seed: of order, augmentation and noise.
        needs_masks: whether the objective, or a background to be replaced, asks for masks.
        segmenter: whose masks are used; None takes the dataset's.

    Raises:
        UsageError: an unknown augmentation.
    """

    recipe: Recipe
    architecture: Architecture
    compute: Compute
    seed: int
    needs_masks: bool
    segmenter: Segmenter | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown augmentation before anything is written."""
        registry.load(AUGMENTATIONS, self.recipe.augment, kind="augmentation")

    def prepare(self, model: Classifier, folds: AnyFolds, *, description: Description, trial: bool = False) -> Lesson:
        """Compute once what stays the same in every epoch: features, masks, or nothing.

        Args:
            model: on its device.
            folds: what it is trained and validated on.
            description: of the model.
            trial: only time and memory matter: of what is computed once, a few images are timed.
        """
        if self.recipe.task == "regression" and self.recipe.weights in ("none", "imagenet"):
            start_at_means(head(model, self.architecture), folds.train_targets)
        if has_fixed_features(self.architecture, self.recipe):
            return self._on_features(model, folds, description, trial=trial)
        batches = self._batches(folds, folds.train.pixels, masks=self._masks(folds.train, trial=trial))
        if self.architecture.with_masks:
            return self._with_masks(model, folds, batches, description, masks=self._masks(folds.val, trial=trial))
        if self.recipe.background and self.segmenter is not None:
            return self._in_pipeline(model, folds, batches, self.segmenter, description)
        if self.recipe.background:
            return self._on_foreground(model, folds, batches, description)
        return Lesson(model, batches, lambda each: folds.validate(each, self.compute), model, description)

    def _with_masks(
        self,
        model: Classifier,
        folds: AnyFolds,
        batches: Batches,
        description: Description,
        *,
        masks: MaskSource | None,
    ) -> Lesson:
        """Return a lesson on labels and masks: the labels choose the epoch, the Dice of the masks stands beside."""
        pixels, bit = folds.val.pixels, MASK_BITS[self.recipe.mask_bit]

        def validate(learner: nn.Module) -> Mapping[str, float]:
            measured = folds.validate(learner, self.compute)
            if masks is None:
                return measured
            return {**measured, "mask_dice": measure_drawn(learner, pixels, masks, bit=bit, compute=self.compute)}

        return Lesson(model, batches, validate, model, description)

    def _on_foreground(self, model: Classifier, folds: AnyFolds, batches: Batches, description: Description) -> Lesson:
        """Return a lesson on what the dataset's masks leave; the model is judged, and later used, with masks too."""
        description = replace(description, background=self.recipe.background)
        val = foreground(description, folds.val)
        return Lesson(model, batches, lambda each: folds.validate(each, self.compute, pixels=val), model, description)

    def _in_pipeline(
        self, model: Classifier, folds: AnyFolds, batches: Batches, drawn_by: Segmenter, description: Description
    ) -> Lesson:
        segmenter = drawn_by[0]
        whole, joined = pipeline.join(
            drawn_by,
            (model, description),
            background=self.recipe.background,
            threshold=self.recipe.mask_threshold,
            size=folds.train.pixels.image_shape[-1],
        )

        def validate(learner: nn.Module) -> Mapping[str, float]:
            # Around what is to be judged, which may be an average of the learner's weights.
            judged = pipeline.assemble(joined, segmenter, learner).to(self.compute.torch_device)
            return folds.validate(judged.train(learner.training), self.compute)

        return Lesson(model, batches, validate, whole.to(self.compute.torch_device), joined)

    def _on_features(self, model: Classifier, folds: AnyFolds, description: Description, *, trial: bool) -> Lesson:
        sources, seconds = [fold.pixels for fold in (folds.train, folds.val)], 0.0
        if trial:
            features, each = time_features(model, sources[0], compute=self.compute)
            train, val = (features.repeated(len(source)) for source in sources)
            seconds = each * sum(len(source) for source in sources)
        else:
            train, val = (compute_features(model, source, compute=self.compute) for source in sources)
        batches = self._batches(folds, train, masks=None)
        learner = head(model, self.architecture)
        return Lesson(
            learner, batches, lambda each: folds.validate(each, self.compute, pixels=val), model, description, seconds
        )

    def _masks(self, fold: Dataset, *, trial: bool) -> MaskSource | None:
        if not self.needs_masks:
            return None
        if self.segmenter is None:
            return fold.masks
        pixels = fold.pixels
        if trial:
            height, width = pixels.image_shape[-2:]
            return WholeImage((height, width))
        return draw_outlines(self.segmenter[0], pixels, compute=self.compute, threshold=self.recipe.mask_threshold)

    def _batches(self, folds: AnyFolds, source: Source, *, masks: MaskSource | None) -> Batches:
        augment = registry.load(AUGMENTATIONS, self.recipe.augment, kind="augmentation")
        if self.recipe.background:
            augment = without_background(
                augment, background=self.recipe.background, channels=self.architecture.channels
            )
        return Batches(
            source,
            folds.train_targets,
            batch_size=self.recipe.batch_size,
            seed=self.seed,
            device=self.compute.torch_device,
            augment=augment,
            groups=folds.groups,
            masks=masks,
            mask_bit=MASK_BITS[self.recipe.mask_bit],
        )


def start_at_means(last: nn.Module, targets: npt.NDArray[np.float32]) -> None:
    """Let a new last layer begin at the mean of each number: a network that begins at 0 learns nothing else for long.

    Args:
        last: the last linear layer.
        targets: (N, L) of the training fold, NaN where empty.
    """
    known = ~np.isnan(targets)
    means = np.where(known, targets, 0).sum(axis=0, dtype=np.float64) / np.maximum(known.sum(axis=0), 1)
    if isinstance(bias := getattr(last, "bias", None), Tensor):
        with torch.no_grad():
            bias.copy_(torch.from_numpy(means))


def attach_masks(data: Dataset, recipe: Recipe) -> Dataset:
    """Return a dataset with the masks of the file that the recipe names, or as it is.

    Raises:
        MissingInputError: there is no such file.
        DataError: its array does not fit the dataset.
    """
    return data.with_mask_file(Path(recipe.mask_file)) if recipe.mask_file else data


def cut_folds(data: Dataset, recipe: Recipe, *, replicate: int, explicit_label: bool) -> AnyFolds:
    """Cut one replicate's folds out of a dataset, for labels or for masks."""
    if recipe.task == "masks":
        return MaskFolds.cut(data, recipe, replicate=replicate)
    return Folds.cut(data, recipe, replicate=replicate, explicit_label=explicit_label)


def left_aside(folds: AnyFolds) -> dict[str, Any]:
    """Return what a user must know about images that taught nothing, or labels that nobody gave."""
    if isinstance(folds, MaskFolds):
        return {"images_without_masks": folds.without_masks}
    return {"empty_labels_read_as_0": folds.read_as_zero}


def weighted_task(folds: AnyFolds, recipe: Recipe) -> Task:
    """Return what the outputs mean, and how much the positives of each label weigh in the loss."""
    weights = positive_weights(folds.train_targets) if recipe.class_weights else ()
    if recipe.label_weights:
        weights = given_weights(recipe.label_weights, folds.labels)
    return Task(recipe.task, weights)


def share(lesson: Lesson, folds: AnyFolds, plan: Plan) -> Lesson:
    """Return the lesson with this process's share of the batches, drawn as the recipe balances them."""
    batches = replace(
        lesson.batches,
        known=known_targets(folds.train_targets, task=folds.task),
        chances=_chances(folds, plan.recipe),
        rank=plan.compute.rank,
        processes=plan.compute.processes,
    )
    return replace(lesson, batches=batches)


def _chances(folds: AnyFolds, recipe: Recipe) -> npt.NDArray[np.float64] | None:
    if recipe.balance == "group" and folds.groups is not None:
        return balanced_chances(folds.groups)
    if recipe.balance == "label":
        select = folds.select if isinstance(folds, Folds) else None
        return balanced_chances(label_codes(folds.train_targets, task=folds.task, select=select))
    return None


def find_segmenter(data: Dataset, recipe: Recipe, *, replicate: int) -> Segmenter | None:
    """Read the segmenter that the recipe names; None where it names none.

    Raises:
        UsageError: it is code of the user's, which no model file can hold.
        DataError: it was trained on images made otherwise, or on patients of the test fold.
    """
    if not recipe.segmenter:
        return None
    if recipe.background and is_foreign(recipe.segmenter):
        raise UsageError(
            f"--background {recipe.background} keeps the segmenter in the model file, and '{recipe.segmenter}' is code",
            "train a segmenter by --target masks; --method rrr, gain, isnet and multitask take any",
        )
    segmenter = load_segmenter(recipe.segmenter, dataset=data.name, pixels=data.recipe)
    if recipe.background:
        manifest = data.manifest
        test_people = manifest.loc[manifest[f"split_{replicate}"] == "test", "person_id"].tolist()
        check_segmenter_people(segmenter[1], test_people, replicate=replicate)
    return segmenter


def identify(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as JSON values that name files by their content, wherever they lie.

    Weights and masks that are not there keep the name that was given.
    """
    names = {"segmenter": _name_segmenter(recipe)}
    for name in ("weights", "mask_file"):
        path = Path(getattr(recipe, name))
        if path.is_file():
            names[name] = f"sha256:{runs.sha256(path)}"
    return recipe.record() | names


def name_training(recipe: Recipe) -> str:
    """Return what people call a way to train: its method, and whatever differs from the recipe that it started from.

    Example:
        >>> from cxrshort.training import recipes
        >>> name_training(recipes.load("standard", overrides={"epochs": 9, "class_weights": True}))
        'erm, epochs=9, class-weights'
    """
    usual, own = recipes.published(recipe.name).record(), identify(recipe)
    parts = [recipe.method, *([] if recipe.name == "standard" else [recipe.name])]
    for name, value in recipe.record().items():
        if value != usual[name] and name != "method":
            text = str(own[name]).removeprefix("sha256:")
            text = text[:8] if text != str(own[name]) else text
            parts.append(name.replace("_", "-") + ("" if value is True else f"={text}"))
    return ", ".join(parts)


def hash_manifest(data: Dataset) -> str:
    """Return the SHA-256 of a manifest's file, or of its rows where they came through standard input."""
    if data.path is not None:
        return runs.sha256(data.path)
    return hashlib.sha256(data.manifest.to_csv(index=False).encode()).hexdigest()


def input_files(data: Dataset, recipe: Recipe) -> dict[str, Path]:
    """Return the files whose hashes run.json keeps, by what they are."""
    files = {"manifest": data.path, "mask_file": Path(recipe.mask_file) if recipe.mask_file else None}
    return {name: path for name, path in files.items() if path is not None}


def _name_segmenter(recipe: Recipe) -> str:
    if not recipe.segmenter:
        return ""
    if is_foreign(recipe.segmenter):
        return name_by_content(recipe.segmenter)
    return f"sha256:{runs.sha256(checkpoint.locate(recipe.segmenter))}"
