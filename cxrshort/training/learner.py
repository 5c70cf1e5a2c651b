"""The learner of a fit: the network, its batches, its validation, and the model that is saved."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort import registry
from cxrshort.dataset import Dataset
from cxrshort.images.prefetch import Source
from cxrshort.masks.structures import bits_of
from cxrshort.models import pipeline
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.outlines import draw_outlines
from cxrshort.training import AUGMENTATIONS
from cxrshort.training.checks import AnyFolds, Segmenter
from cxrshort.training.data.batches import Batches, MaskSource
from cxrshort.training.data.features import compute_features, has_fixed_features, head, time_features
from cxrshort.training.data.folds import Folds
from cxrshort.training.data.parts import mix_parts
from cxrshort.training.data.sampling import balanced_sampling_weights, class_codes, count_targets
from cxrshort.training.data.segmentation import WholeImage, replace_background
from cxrshort.training.loop import Validate
from cxrshort.training.objectives.contract import FoldImages
from cxrshort.training.objectives.distillation import Distillation
from cxrshort.training.preparation import PreparedJob
from cxrshort.training.recipes import Recipe
from cxrshort.training.teacher import CoTraining


@dataclass(frozen=True)
class Learner:
    """Hold what a fit trains, and the model that is saved.

    Args:
        network: what is trained: a classifier or segmenter, or the head of one whose features are fixed.
        batches: what the network is given.
        validate: judges the network's present weights.
        model: the model that is saved; it shares the network's parameters.
        description: of the model.
        seconds_before: what a trial expects of that which is computed once, before the first epoch.
    """

    network: nn.Module
    batches: Batches
    validate: Validate
    model: Classifier
    description: Description
    seconds_before: float = 0.0


def make_learner(prepared: PreparedJob, *, trial: bool = False) -> Learner:
    """Compute once what stays the same in every epoch: features, masks, or nothing.

    Args:
        prepared: the job.
        trial: only time and memory matter: of what is computed once, a few images are timed.
    """
    recipe, architecture, folds = prepared.job.recipe, prepared.architecture, prepared.folds
    # A student's last layer starts as its objective says, and never by labels.
    if recipe.task == "regression" and recipe.weights in ("none", "imagenet") and prepared.teacher is None:
        start_bias_at_means(head(prepared.model, architecture), folds.train_targets)
    if has_fixed_features(architecture, recipe):
        return _feature_learner(prepared, trial=trial)
    batches = _batches(prepared, folds.train.pixels, masks=_masks(prepared, folds.train, trial=trial))
    if recipe.background and prepared.segmenter is not None:
        return _pipeline_learner(prepared, batches, prepared.segmenter)
    if recipe.background:
        return _foreground_learner(prepared, batches)
    needs = prepared.objective.needs
    judged = needs.predicted_masks or needs.validation_masks
    masks = _masks(prepared, folds.val, trial=trial) if judged else None
    validate = _validation(prepared, folds.val.pixels, masks=masks)
    network = _learning_network(prepared)
    return Learner(network, batches, validate, prepared.model, prepared.description)


def _learning_network(prepared: PreparedJob) -> nn.Module:
    """Return what a step changes: the model, or the model together with a teacher that learns on."""
    objective, teacher = prepared.objective, prepared.teacher
    if teacher is None or not (isinstance(objective, Distillation) and objective.co_trains):
        return prepared.model
    return CoTraining(prepared.model, copy.deepcopy(teacher.network))


def _validation(
    prepared: PreparedJob,
    pixels: Source,
    *,
    masks: MaskSource | None = None,
    complete: Callable[[nn.Module], nn.Module] = lambda network: network,
) -> Validate:
    """Return what judges a network: the folds' loss and score, then the objective's own measures.

    Args:
        prepared: the job.
        pixels: what the network is given.
        masks: of these images, where the objective compares with them.
        complete: returns the model that is judged, where the network is a part of it.
    """
    job, folds, objective = prepared.job, prepared.folds, prepared.objective
    judge = folds.judge if isinstance(folds, Folds) else None
    images = FoldImages(pixels, masks, bits_of(job.recipe.mask_bit), prepared.teacher, judge)

    def validate(network: nn.Module) -> dict[str, float]:
        model = complete(network)
        measured = folds.validate(model, job.compute, pixels=pixels)
        return {**measured, **objective.validate(model, images, job.compute)}

    return validate


def _foreground_learner(prepared: PreparedJob, batches: Batches) -> Learner:
    """Return a learner on what the dataset's masks leave; the model is judged, and later used, with masks too."""
    description = replace(prepared.description, background=prepared.job.recipe.background)
    validate = _validation(prepared, visible_pixels(description, prepared.folds.val))
    return Learner(prepared.model, batches, validate, prepared.model, description)


def _pipeline_learner(prepared: PreparedJob, batches: Batches, segmenter: Segmenter) -> Learner:
    """Return a learner whose model is joined with the segmenter that cuts the background away."""
    recipe, device, folds = prepared.job.recipe, prepared.job.compute.torch_device, prepared.folds
    model, description = pipeline.join_pipeline(
        segmenter,
        (prepared.model, prepared.description),
        background=recipe.background,
        threshold=recipe.mask_threshold,
        size=folds.train.pixels.image_shape[-1],
    )

    def complete(network: nn.Module) -> nn.Module:
        # Around what is to be judged, which may be an average of the network's weights.
        model = pipeline.assemble_pipeline(description, segmenter[0], network).to(device)
        return model.train(network.training)

    validate = _validation(prepared, folds.val.pixels, complete=complete)
    return Learner(prepared.model, batches, validate, model.to(device), description)


def _feature_learner(prepared: PreparedJob, *, trial: bool) -> Learner:
    """Return a learner on the features of a frozen backbone, computed once."""
    model, compute = prepared.model, prepared.job.compute
    sources, seconds = [fold.pixels for fold in (prepared.folds.train, prepared.folds.val)], 0.0
    if trial:
        features, seconds_per_image = time_features(model, sources[0], compute=compute)
        train, val = (features.repeated(len(source)) for source in sources)
        seconds = seconds_per_image * sum(len(source) for source in sources)
    else:
        train, val = (compute_features(model, source, compute=compute) for source in sources)
    batches = _batches(prepared, train, masks=None)
    network, validate = head(model, prepared.architecture), _validation(prepared, val)
    return Learner(network, batches, validate, model, prepared.description, seconds)


def _masks(prepared: PreparedJob, fold: Dataset, *, trial: bool) -> MaskSource | None:
    """Return the masks of a fold: the dataset's, or those that the segmenter draws; None where none are needed."""
    if not prepared.needs_masks:
        return None
    if prepared.segmenter is None:
        return fold.masks
    if trial:
        height, width = fold.pixels.image_shape[-2:]
        return WholeImage((height, width))
    job = prepared.job
    return draw_outlines(prepared.segmenter[0], fold.pixels, compute=job.compute, threshold=job.recipe.mask_threshold)


def _batches(prepared: PreparedJob, source: Source, *, masks: MaskSource | None) -> Batches:
    """Return this process's share of the training batches, drawn as the recipe balances them."""
    job, folds = prepared.job, prepared.folds
    recipe, compute = job.recipe, job.compute
    augment = registry.load_entry(AUGMENTATIONS, recipe.augment, kind="augmentation")
    if recipe.background:
        augment = replace_background(augment, background=recipe.background, channels=prepared.architecture.channels)
    return Batches(
        source,
        folds.train_targets,
        batch_size=recipe.batch_size,
        seed=job.seed,
        device=compute.torch_device,
        augment=augment,
        groups=folds.groups,
        masks=masks,
        mask_bit=bits_of(recipe.mask_bit),
        target_counts=count_targets(folds.train_targets, task=folds.task),
        sampling_weights=_sampling_weights(folds, recipe),
        mixture=mix_parts(folds.train, recipe.mix),
        rank=compute.rank,
        processes=compute.processes,
    )


def _sampling_weights(folds: AnyFolds, recipe: Recipe) -> npt.NDArray[np.float64] | None:
    if recipe.balance == "group" and folds.groups is not None:
        return balanced_sampling_weights(folds.groups)
    if recipe.balance == "label":
        select = folds.select if isinstance(folds, Folds) else None
        return balanced_sampling_weights(class_codes(folds.train_targets, task=folds.task, select=select))
    return None


def start_bias_at_means(last: nn.Module, targets: npt.NDArray[np.float32]) -> None:
    """Start the bias of a new last layer at the mean of each number: from 0, a network learns nothing else for long.

    Args:
        last: the last linear layer.
        targets: (N, L) of the training fold, NaN where empty.
    """
    has_target = ~np.isnan(targets)
    means = np.where(has_target, targets, 0).sum(axis=0, dtype=np.float64) / np.maximum(has_target.sum(axis=0), 1)
    if isinstance(bias := getattr(last, "bias", None), Tensor):
        with torch.no_grad():
            bias.copy_(torch.from_numpy(means))
