"""The model that a cure changes: where it lies, and what is refused before any work is done."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.masks.bits import select_bits
from cxrshort.masks.structures import bits_of
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.heads import LINEAR
from cxrshort.models.outputs import Task
from cxrshort.models.people import hash_people
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.models.sources.opening import expand_name
from cxrshort.registry import check_name
from cxrshort.targets import label_matrix
from cxrshort.training import recipes
from cxrshort.training.cures.contract import Cure, LastLayer, ValidationFeatures, make_cure
from cxrshort.training.data.folds import add_rest_class
from cxrshort.training.inputs import TrainingJob
from cxrshort.training.recipes import Recipe, spell

_USED = ("name", "method", "weights", "group", "settings", "labels", "select_label", "task", "mask_bit", "mask_file")
"""Settings of a recipe that a cure reads; all others are those of the model's own training."""
_MASKS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class CureStart:
    """Hold what a cure starts from, checked.

    Args:
        job: what was asked for.
        cure: what is done.
        model: the trained model, on its device.
        description: of the model.
        head: name of its last layer in the network.
        val: the validation fold.
        data: what the cure learns from, without features yet.
        select: position of the label whose AUC is reported; None takes the mean over labels.
    """

    job: TrainingJob
    cure: Cure
    model: Classifier
    description: Description
    head: str
    val: Dataset
    data: ValidationFeatures
    select: int | None

    @property
    def layer(self) -> LastLayer:
        """Return the model's own last layer."""
        layer = check_linear(self.model.network.get_submodule(self.head), self.description)
        return LastLayer(*(value.detach().cpu().double().numpy() for value in (layer.weight, layer.bias)))


def locate_start(recipe: Recipe, *, replicate: int) -> Recipe:
    """Return the recipe with the model file that ``--weights`` names for one replicate.

    Args:
        recipe: its weights are a model file, a run folder, or a folder of replicates.
        replicate: the number of the split.

    Raises:
        UsageError: no model is named, or it is of another replicate.
        MissingInputError: nothing is there.
        DataError: it is not a model file.
    """
    if recipe.weights in ("none", "imagenet", ""):
        raise UsageError(
            f"'{recipe.method}' changes a trained model, and --weights is '{recipe.weights}'",
            "--weights runs/DATASET/ARCH/erm/replicate-0",
        )
    paths = [Path(name) for name in expand_name(recipe.weights)]
    of_replicate = [path for path in paths if checkpoint.read_description(path).replicate == replicate]
    if len(of_replicate) != 1:
        numbers = sorted({checkpoint.read_description(path).replicate for path in paths})
        listed = ", ".join(map(str, numbers))
        raise UsageError(
            f"--replicate is {replicate}, and '{recipe.weights}' holds {len(of_replicate) or 'no'} models of it "
            f"(replicates {listed})",
            f"--replicate {numbers[0]}" if not of_replicate else f"name one of them: --weights {of_replicate[0]}",
        )
    return dataclasses.replace(recipe, weights=str(of_replicate[0]))


def start_cure(job: TrainingJob) -> CureStart:
    """Read the model and check everything that a cure needs; nothing is written.

    Raises:
        UsageError: parts that do not fit together.
        DataError: the model or the dataset cannot give what is needed.
    """
    path = Path(job.recipe.weights)
    if not path.is_file():
        raise MissingInputError(f"'{path}' does not exist", "cxrshort train makes a model")
    model, description = factory.load_model(path)
    recipe = job.recipe
    if job.compute.processes > 1:
        raise UsageError(
            f"'{recipe.method}' works in one process, and torchrun started {job.compute.processes}",
            "cxrshort train without torchrun",
        )
    _check_recipe(recipe)
    _check_model(job, description)
    task = str(description.recipe.get("task", "multilabel"))
    cure = make_cure(recipe.method, recipe.settings, task=Task(task))
    name = find_architecture(description.architecture).head
    check_linear(model.network.get_submodule(name), description)
    checkpoint.check_pixels(recipe.weights, description, dataset=job.data.name, pixels=job.data.recipe)
    data = job.data.with_mask_file(Path(recipe.mask_file)) if recipe.mask_file else job.data
    val = data.fold("val", replicate=job.replicate)
    _check_people(job, description, val)
    inputs = _read_validation(recipe, cure, description, val)
    select = _choose_select(job, inputs)
    cure.check(inputs)
    return CureStart(job, cure, model.to(job.compute.torch_device), description, name, val, inputs, select)


def check_linear(layer: nn.Module, description: Description) -> nn.Linear:
    """Return a last layer if it is one linear layer with a bias.

    Raises:
        UsageError: with its kind.
    """
    if description.head != LINEAR or not isinstance(layer, nn.Linear):
        kind = description.head if description.head != LINEAR else type(layer).__name__
        raise UsageError(
            f"the last layer of the model is '{kind}', a cure changes a linear one",
            "--weights with the model before it was changed",
        )
    if layer.bias is None:
        raise UsageError("the last layer of the model has no bias, and a cure needs one", "train another architecture")
    return layer


def _check_recipe(recipe: Recipe) -> None:
    """Refuse settings of training, none of which a cure reads."""
    reference = recipes.published(recipe.name)
    for name, value in recipe.record().items():
        if name not in _USED and value != getattr(reference, name):
            raise UsageError(
                f"{spell(name)} has no use with --method {recipe.method}, which changes the last layer alone",
                "leave it out",
            )


def _check_model(job: TrainingJob, description: Description) -> None:
    """Refuse a model of another kind, architecture, task, labels or replicate than was asked for."""
    recipe, path = job.recipe, job.recipe.weights
    if description.kind != "classifier":
        raise UsageError(
            f"'{path}' is of kind '{description.kind}', '{recipe.method}' changes a classifier of one network",
            "cure the members, or the classifier before it was joined",
        )
    if job.arch != description.architecture:
        raise UsageError(f"--arch is '{job.arch}', and '{path}' is of '{description.architecture}'", "leave --arch out")
    task = description.recipe.get("task", "multilabel")
    if recipe.task not in ("multilabel", task):
        raise UsageError(f"'{path}' has {task} outputs, not {recipe.task} ones", "leave the option out")
    named = tuple(label.strip() for label in recipe.labels.split(","))
    if recipe.labels != "all" and named != description.labels:
        raise UsageError(
            f"--labels is '{recipe.labels}', and '{path}' has '{','.join(description.labels)}'", "leave --labels out"
        )
    if job.replicate != description.replicate:
        raise UsageError(
            f"--replicate is {job.replicate}, and '{path}' is of replicate {description.replicate}",
            f"--replicate {description.replicate}",
        )


def _check_people(job: TrainingJob, description: Description, val: Dataset) -> None:
    """Refuse validation persons whom the model was, or may have been, trained on.

    A model file holds the persons of its training and validation folds without saying who was in which. Where they are
    those of these very folds, the validation fold is known to have chosen the epoch and taught nothing.
    """
    people = val.manifest["person_id"]
    seen = checkpoint.trained_on(description, people)
    if not seen:
        return
    if description.recipe.get("method") == "dfr":
        raise DataError(
            f"'{job.recipe.weights}' was made by dfr, which trained on {seen} of the {people.nunique()} val persons",
            "--weights with the model before dfr; p-clarc goes first where both are wanted",
        )
    train = job.data.fold("train", replicate=job.replicate).manifest["person_id"]
    same = hash_people([*train, *people])
    own = description.training_people
    if same.keys() != own.keys() or any(not np.array_equal(hashes, own[salt]) for salt, hashes in same.items()):
        raise DataError(
            f"'{job.recipe.weights}' may have been trained on {seen} of the {people.nunique()} val persons of "
            f"{job.data.name}, whose folds are not those of its training",
            "--dataset with the folds that it was trained on, or with other patients",
        )


def _read_validation(recipe: Recipe, cure: Cure, description: Description, val: Dataset) -> ValidationFeatures:
    """Return targets, persons, groups and presence of a fold, without features."""
    labels = description.labels
    targets = _read_targets(description, val)
    groups = cure.read_groups(val.manifest, recipe.group, labels) if recipe.group else ()
    present = _find_structures(val, recipe) if cure.from_masks else None
    return ValidationFeatures(
        np.zeros((len(val.manifest), 0)),
        targets,
        labels,
        val.manifest["person_id"].to_numpy(dtype=object),
        groups,
        present,
    )


def _read_targets(description: Description, val: Dataset) -> npt.NDArray[np.float32]:
    """Return targets (N, L), with empty ones read as in the model's training."""
    settings: Mapping[str, Any] = description.recipe
    rest = str(settings.get("rest_class", ""))
    read = [label for label in description.labels if label != rest]
    try:
        targets = label_matrix(val.manifest, read)
    except UsageError as error:
        raise DataError(
            f"{val.name} lacks a label of the model: {error.message}", "--dataset with every label of the model"
        ) from error
    if settings.get("empty_labels") == "zero":
        diseases = np.isin(read, val.labels)
        targets[:, diseases] = np.nan_to_num(targets[:, diseases])
    return add_rest_class(read, [targets], name=rest)[1][0] if rest else targets


def _choose_select(job: TrainingJob, data: ValidationFeatures) -> int | None:
    """Return the label whose AUC is reported, None for the mean; refuse a fold in which a class is missing there.

    Raises:
        DataError: it is so.
    """
    labels, name = list(data.labels), job.recipe.select_label
    if job.explicit_label:
        check_name(labels, name, kind="label of this model")
    select = 0 if len(labels) == 1 else labels.index(name) if name in labels else None
    columns = data.targets.T if select is None else data.targets.T[[select]]
    if not any((column == 0).any() and (column == 1).any() for column in columns):
        missing = "no label has both classes" if select is None else f"label '{labels[select]}' has one class alone"
        raise DataError(
            f"{job.data.name}: {missing} in 'val' of 'split_{job.replicate}'",
            "choose another --dataset, or another --select-label where the model has several",
        )
    return select


def _find_structures(val: Dataset, recipe: Recipe) -> npt.NDArray[np.bool_]:
    """Return which images have any pixel of the structures that the recipe names, (N,).

    Raises:
        DataError: an image has no mask.
    """
    masks, missing = val.masks, int((~val.has_mask).sum())
    if masks is None or missing:
        raise DataError(
            f"{val.name}: {missing} of the {len(val.manifest)} val images have no mask to say where the shortcut is",
            "--group takes a column, or --mask-file a file of masks",
        )
    bits = bits_of(recipe.mask_bit)
    shown = np.zeros(len(val.manifest), bool)
    for start in range(0, len(shown), _MASKS_AT_ONCE):
        rows = np.arange(start, min(start + _MASKS_AT_ONCE, len(shown)))
        shown[rows] = select_bits(masks.take(rows), bits).any(axis=(1, 2))
    return shown
