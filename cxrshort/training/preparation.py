"""Preparation of a training run: folds, network and objective, checked against each other."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cxrshort import registry
from cxrshort.dataset import Dataset
from cxrshort.errors import UsageError
from cxrshort.models import factory
from cxrshort.models.architecture import IMAGENET, Architecture, check_imagenet
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, default_spec
from cxrshort.models.outlines import load_segmenter
from cxrshort.models.outputs import Task
from cxrshort.models.people import hash_people
from cxrshort.models.sources.foreign import is_foreign
from cxrshort.training import AUGMENTATIONS
from cxrshort.training.checks import (
    AnyFolds,
    Segmenter,
    check_batch_fits,
    check_masks,
    check_segmenter_people,
    check_size,
    check_teacher,
    check_warm_up,
    find_fitting_architecture,
)
from cxrshort.training.data.folds import Folds
from cxrshort.training.data.parts import check_mix, mix_parts, record_parts, select_parts
from cxrshort.training.data.sampling import parse_label_weights, positive_weights
from cxrshort.training.data.segmentation import MaskFolds
from cxrshort.training.inputs import TrainingJob, identify, name_training
from cxrshort.training.objectives.contract import Objective, make_objective
from cxrshort.training.recipes import Recipe
from cxrshort.training.rehearsal import rehearse
from cxrshort.training.teacher import Teacher, taught_description


@dataclass(frozen=True)
class PreparedJob:
    """Hold everything that a training run needs, checked.

    Args:
        job: what was asked for.
        folds: what the model is trained and validated on.
        objective: what it learns.
        architecture: of the model.
        model: on its device, with its starting weights.
        description: of the model.
        needs_masks: whether the objective, or a background to be replaced, asks for masks.
        segmenter: whose masks are used; None takes the dataset's.
        teacher: what the model learns from; None where the objective needs none.
    """

    job: TrainingJob
    folds: AnyFolds
    objective: Objective
    architecture: Architecture
    model: Classifier
    description: Description
    needs_masks: bool
    segmenter: Segmenter | None = None
    teacher: Teacher | None = None


def prepare(job: TrainingJob, *, teacher: Teacher | None = None, trial: bool = False) -> PreparedJob:
    """Prepare and check everything that a run needs; nothing is written.

    Args:
        job: what was asked for.
        teacher: what the model learns from, where the method needs one.
        trial: only time and memory matter: weights that would be downloaded are not, and the model starts without.

    Raises:
        UsageError: an unknown name, or parts that do not fit together.
        DataError: the dataset cannot give what is needed.
    """
    recipe, compute = job.recipe, job.compute
    registry.load_entry(AUGMENTATIONS, recipe.augment, kind="augmentation")  # refuses an unknown one
    check_mix(job.data, recipe)
    data = attach_masks(job.data, recipe)
    folds = cut_folds(data, recipe, replicate=job.replicate, explicit_label=job.explicit_label)
    objective = make_objective(recipe.method, recipe.settings, task=make_task(folds, recipe))
    architecture = find_fitting_architecture(job.arch, recipe, objective)
    check_batch_fits(recipe, folds)
    spec = dataclasses.replace(default_spec(architecture, data.pixels.image_shape[-1]), crop=recipe.crop)
    check_size(architecture, spec)
    segmenter = find_segmenter(data, recipe, replicate=job.replicate)
    if segmenter is None and teacher is not None:
        segmenter = teacher.segmenter
    check_warm_up(objective, recipe)
    check_teacher(objective, teacher, background=recipe.background)
    needs_masks = check_masks(objective, folds, recipe, segmenter)
    description = Description(
        kind="segmenter" if recipe.task == "masks" else "classifier",
        architecture=job.arch,
        labels=folds.labels,
        spec=spec,
        dataset=data.name,
        dataset_id=data.dataset_id,
        training=job.title or name_training(recipe),
        replicate=job.replicate,
        seed=job.seed,
        recipe={**identify(recipe), "precision": compute.precision, **record_parts(data, recipe)},
        pixels=data.recipe,
        training_people=hash_people([*folds.train.manifest["person_id"], *folds.val.manifest["person_id"]]),
    )
    weights = recipe.weights
    if trial and weights == IMAGENET:
        check_imagenet(architecture)
        weights = "none"
    model = factory.build_model(description, seed=job.seed, weights=weights)
    model = model.to(compute.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if teacher is not None:
        teacher.network.to(compute.torch_device).eval().requires_grad_(False)
        description = taught_description(description, teacher)
        objective.start(model, description, teacher)
    rehearse(
        model,
        objective,
        architecture=architecture,
        compute=compute,
        shape=data.pixels.image_shape,
        teacher=None if teacher is None else teacher.network,
    )
    return PreparedJob(job, folds, objective, architecture, model, description, needs_masks, segmenter, teacher)


def attach_masks(data: Dataset, recipe: Recipe) -> Dataset:
    """Return a dataset with the masks of the file that the recipe names, or as it is.

    Raises:
        MissingInputError: there is no such file.
        DataError: its array does not fit the dataset.
    """
    return data.with_mask_file(Path(recipe.mask_file)) if recipe.mask_file else data


def cut_folds(data: Dataset, recipe: Recipe, *, replicate: int, explicit_label: bool) -> AnyFolds:
    """Cut one replicate's folds out of a dataset, for labels or for masks."""
    data = select_parts(data, recipe.mix, replicate=replicate)
    if recipe.task == "masks":
        return MaskFolds.cut(data, recipe, replicate=replicate)
    return Folds.cut(data, recipe, replicate=replicate, explicit_label=explicit_label)


def count_unused(folds: AnyFolds) -> dict[str, Any]:
    """Return what a user must know about images that taught nothing, or labels that nobody gave."""
    if isinstance(folds, MaskFolds):
        return {"images_without_masks": folds.without_masks}
    return {"empty_labels_read_as_0": folds.read_as_zero}


def make_task(folds: AnyFolds, recipe: Recipe) -> Task:
    """Return what the outputs mean, and how much the positives of each label weigh in the loss."""
    mixture = mix_parts(folds.train, recipe.mix)
    times = None if mixture is None else mixture.times()
    weights = positive_weights(folds.train_targets, times) if recipe.class_weights else ()
    if recipe.label_weights:
        weights = parse_label_weights(recipe.label_weights, folds.labels)
    return Task(recipe.task, weights)


def find_segmenter(data: Dataset, recipe: Recipe, *, replicate: int) -> Segmenter | None:
    """Read the segmenter that the recipe names; None where it names none.

    Raises:
        UsageError: it is code of the user's, which no model file can hold.
        DataError: it was trained on images made in another way, or on patients of the test fold.
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
