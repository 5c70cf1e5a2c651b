"""What a run needs beyond its recipe: what exactly trains, on which batches, judged how, and saved as what."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from cxrshort import registry
from cxrshort.columns import MASK_BITS
from cxrshort.devices import Compute
from cxrshort.errors import DataError, UsageError
from cxrshort.models import checkpoint, pipeline
from cxrshort.models.architecture import Architecture
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.outlines import draw_outlines
from cxrshort.prefetch import Source
from cxrshort.training import AUGMENTATIONS
from cxrshort.training.batches import Batches, MaskSource
from cxrshort.training.features import compute_features, has_fixed_features, head
from cxrshort.training.folds import Folds
from cxrshort.training.loop import Validate
from cxrshort.training.recipes import Recipe
from cxrshort.training.segmentation import MaskFolds, WholeImage, without_background

AnyFolds = Folds | MaskFolds
Segmenter = tuple[Classifier, Description]


@dataclass(frozen=True)
class Lesson:
    """Hold what a run trains, on what, and what becomes of it.

    Args:
        learner: what the loop trains: a classifier or segmenter, or the head of one whose features are fixed.
        batches: what the learner is given.
        validate: judges the learner's present state.
        whole: the model that is saved; it shares the learner's parameters.
        description: of the whole.
    """

    learner: nn.Module
    batches: Batches
    validate: Validate
    whole: Classifier
    description: Description


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
            trial: only time and memory matter: nothing is computed beforehand.
        """
        if has_fixed_features(self.architecture, self.recipe) and not trial:
            return self._on_features(model, folds, description)
        batches = self._batches(folds, folds.train.pixels, masks=self._masks(folds, trial=trial))
        if self.recipe.background:
            return self._in_pipeline(model, folds, batches, description)
        return Lesson(model, batches, lambda each: folds.validate(each, self.compute), model, description)

    def _in_pipeline(self, model: Classifier, folds: AnyFolds, batches: Batches, description: Description) -> Lesson:
        if self.segmenter is None:
            raise UsageError("a pipeline needs a segmenter", "--segmenter MODEL")
        segmenter = self.segmenter[0]
        whole, joined = pipeline.join(
            self.segmenter,
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

    def _on_features(self, model: Classifier, folds: AnyFolds, description: Description) -> Lesson:
        train, val = (compute_features(model, fold.pixels, compute=self.compute) for fold in (folds.train, folds.val))
        batches = self._batches(folds, train, masks=None)
        learner = head(model, self.architecture)
        return Lesson(learner, batches, lambda each: folds.validate(each, self.compute, pixels=val), model, description)

    def _masks(self, folds: AnyFolds, *, trial: bool) -> MaskSource | None:
        if not self.needs_masks:
            return None
        if self.segmenter is None:
            return folds.train.masks
        pixels = folds.train.pixels
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


def check_segmenter_people(segmenter: Description, test_people: list[str], *, replicate: int) -> None:
    """Refuse a segmenter that saw patients of the test fold, since the pipeline could never be tested there.

    Raises:
        DataError: it was trained on some of them.
    """
    seen = checkpoint.trained_on(segmenter, test_people)
    if seen:
        raise DataError(
            f"the segmenter was trained on {seen} of the {len(set(test_people))} test patients of 'split_{replicate}'",
            f"train the segmenter with --replicate {replicate}, or on another dataset",
        )
