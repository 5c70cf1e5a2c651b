"""Teachers from model files: what a MODEL stands for as the teacher of a distillation, and what is refused.

A pipeline teaches by its classifier, behind its own segmenter's masks; a classifier that was trained on the foreground
alone, behind the dataset's; any other model sees whole images, unless a segmenter or the dataset's masks are named. The
masks of a fold are drawn once; the noise that takes the background's place is drawn at every step.
"""

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from cxrshort import registry
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.heads import LINEAR
from cxrshort.models.pipeline import SegmentedClassifier
from cxrshort.models.sources.opening import Reference, describe_model, expand_name, open_model
from cxrshort.registry import check_name
from cxrshort.training import DISTILLATIONS, METHODS, recipes
from cxrshort.training.objectives.distillation import DistillationSettings
from cxrshort.training.recipes import BACKGROUNDS, Recipe
from cxrshort.training.recipes.settings import split_text
from cxrshort.training.teacher import WHOLE, Teacher

_TAUGHT = ("rest_class", "task", "select_label", "empty_labels", "crop", "mask_bit", "mask_threshold")
"""Settings of a recipe that a student shares with its teacher, unless they are given."""


@dataclass(frozen=True)
class TeacherOptions:
    """Hold the command line's options of a teacher.

    Args:
        name: a model file, a run folder, a folder of replicates, or a model of another package.
        segmenter: whose masks say what the teacher sees; None takes those of a pipeline.
        masks: whether the dataset's masks say it.
        background: what takes the background's place, ``"noise"`` or ``"black"``; None takes what the teacher was
            trained with, else noise.
        whole: whether the teacher sees whole images, whatever it was trained on.

    Raises:
        UsageError: options that exclude each other, or an unknown background.
    """

    name: str
    segmenter: str | None = None
    masks: bool = False
    background: str | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        """Refuse options that exclude each other."""
        chosen = [
            option
            for option, is_chosen in (
                ("--segmenter", self.segmenter is not None),
                ("--masks", self.masks),
                ("--whole-image", self.whole),
            )
            if is_chosen
        ]
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(chosen)} exclude each other", "give one of them")
        if self.background is not None:
            check_name(BACKGROUNDS, self.background, kind="background")

    @property
    def settings(self) -> dict[str, str]:
        """Return the user's options of the teacher's images, by which folders and trainings are named."""
        if self.whole:
            return {"background": WHOLE}
        masks = {"masks": "dataset"} if self.masks else {}
        return masks | ({"background": self.background} if self.background else {})


def locate_teacher(options: TeacherOptions, *, replicate: int) -> Reference:
    """Return the one model that a name stands for as the teacher of a replicate.

    Args:
        options: its name; of a folder of replicates, the model of the same replicate is taken.
        replicate: the number of the split.

    Raises:
        UsageError: several models, or none, are of that replicate; or it is a segmenter.
        MissingInputError: nothing is there.
        DataError: it is not a model file.
    """
    names = expand_name(options.name)
    if len(names) > 1:
        own = [name for name in names if checkpoint.read_description(Path(name)).replicate == replicate]
        if len(own) != 1:
            raise UsageError(
                f"'{options.name}' holds {len(own) or 'no'} models of replicate {replicate}",
                f"name one of them, such as --teacher {shlex.quote(names[0])}",
            )
        names = own
    reference = describe_model(names[0])
    if reference.description.kind == "segmenter":
        raise UsageError(
            f"'{options.name}' draws masks, it cannot teach labels",
            "--segmenter takes it, and --teacher the classifier",
        )
    return reference


def teacher_background(options: TeacherOptions, description: Description) -> str:
    """Return what takes the background's place in the teacher's images; ``"none"`` where it sees whole images.

    Raises:
        UsageError: a background without anything that says where it is.
    """
    masked = options.segmenter is not None or options.masks or bool(description.background)
    if options.whole or not masked:
        if options.background:
            raise UsageError(
                f"--background is '{options.background}', and the teacher sees whole images",
                "--segmenter MODEL or --masks says where the background is",
            )
        return WHOLE
    return options.background or description.background or "noise"


@dataclass(frozen=True)
class StudentOptions:
    """Hold the command line's options of a student.

    Args:
        arch: the architecture.
        recipe: the name of a recipe.
        method: one of ``DISTILLATIONS``; None takes the recipe's.
        settings: of the method; None leaves one to the recipe.
        overrides: of the recipe; None leaves one to the recipe.
    """

    arch: str
    recipe: str = "distillation"
    method: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def chosen_method(self) -> str:
        """Return the method: ``method``, else the recipe's.

        Raises:
            UsageError: there is none of that name, or the recipe does not distil.
        """
        method = self.method or recipes.load_recipe(self.recipe).method
        if method in METHODS and self.method is None:
            raise UsageError(
                f"the recipe '{self.recipe}' trains by '{method}', which does not learn from a teacher",
                "--recipe help lists those that do; or give --method",
            )
        check_name(DISTILLATIONS, method, kind="method of tea-distill", list_all="--method help")
        return method

    def named_recipe(self, teacher: TeacherOptions) -> Recipe:
        """Return the recipe with the user's options alone, by which folders and trainings are named.

        Args:
            teacher: the user's options of the teacher.
        """
        settings = {key: _spell(value) for key, value in self.settings.items() if value is not None} | teacher.settings
        overrides = {"method": self.chosen_method, "settings": _join(settings) or None, "segmenter": teacher.segmenter}
        return recipes.load_recipe(self.recipe, overrides={**overrides, **self.overrides})


def student_recipe(student: StudentOptions, teacher: TeacherOptions, reference: Reference) -> Recipe:
    """Return every setting of a student: the recipe's, what it shares with its teacher, and what the user gave.

    A student of its teacher's architecture starts as its teacher and keeps its last layer, as published, where neither
    the user nor the recipe says otherwise. One that starts at random is explained by the statistics of the batch.

    Args:
        student: what is trained.
        teacher: what the teacher sees.
        reference: the teacher.

    Raises:
        UsageError: an unknown name, or a setting that is none.
    """
    method, description = student.chosen_method, reference.description
    kind = registry.load_entry(DISTILLATIONS, method, kind="method of tea-distill")
    defaults = {item.name: _spell(item.default) for item in dataclasses.fields(kind.Settings)}
    published = recipes.load_recipe(student.recipe)
    settings = split_text(published.settings)
    if method != published.method:
        shared = [item.name for item in dataclasses.fields(DistillationSettings)]
        settings = {key: value for key, value in settings.items() if key in shared}
    network = description.parts[1] if description.kind == "pipeline" else description
    alike = (network.architecture, network.kind, network.head) == (student.arch, "classifier", LINEAR)
    if not alike:
        settings = {key: value for key, value in settings.items() if key not in ("init", "freeze_last")}
    settings.setdefault("init", "teacher" if alike and kind.starts_as_teacher else "random")
    settings |= {key: _spell(value) for key, value in student.settings.items() if value is not None}
    if settings["init"] == "teacher" and kind.starts_as_teacher:
        settings.setdefault("freeze_last", "true")
    if settings["init"] == "random" and student.recipe == StudentOptions.recipe and student.settings.get("bn") is None:
        settings.pop("bn", None)  # the running statistics of a random start mean nothing yet
    settings["background"] = background = teacher_background(teacher, description)
    text = _join({key: value for key, value in settings.items() if value != defaults.get(key)})
    values = {**_shared(network, background), "segmenter": teacher.segmenter}
    overrides = {key: value for key, value in student.overrides.items() if value is not None}
    recipe = recipes.load_recipe(student.recipe, overrides={**values, **overrides, "method": method, "settings": text})
    if recipe.members > 1:
        raise UsageError(
            f"tea-distill trains one student, not an ensemble of {recipe.members}", "--replicates N, or another --seed"
        )
    return recipe


def _join(settings: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in settings.items())


def _shared(network: Description, background: str) -> dict[str, Any]:
    """Return what a student has from its teacher: labels, the meaning of its outputs, and what is foreground."""
    recipe = network.recipe
    rest = str(recipe.get("rest_class", ""))
    labels = [label for label in network.labels if label != rest]
    shared: dict[str, Any] = {name: recipe.get(name) for name in _TAUGHT if name in recipe}
    if background == WHOLE:
        shared = {name: value for name, value in shared.items() if not name.startswith("mask_")}
    return {**shared, "labels": ",".join(labels)}


def _spell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def open_teacher(reference: Reference, options: TeacherOptions, compute: Compute) -> Teacher:
    """Open a teacher's network on the device, and the segmenter of a pipeline where its masks are used.

    Args:
        reference: the teacher, as :func:`locate_teacher` returns it.
        options: what it sees.
        compute: device and precision.
    """
    network, description = open_model(reference, compute).classifier, reference.description
    segmenter, inner = None, network.network
    if isinstance(inner, SegmentedClassifier):
        parts, network = description.parts, cast(Classifier, inner.classifier)
        if not (options.whole or options.masks or options.segmenter is not None):
            segmenter = cast(Classifier, inner.segmenter), parts[0]
        # Whoever the segmenter saw, the teacher learned from.
        description = dataclasses.replace(parts[1], training_people=description.training_people)
    # A teacher of unknown training is one of its own: the students of two such teachers are no replicates.
    training = reference.training_id or reference.model_id
    return Teacher(network, description, reference.title, training, segmenter)


def check_teacher_data(reference: Reference, data: Dataset, recipe: Recipe, *, replicate: int) -> None:
    """Refuse a teacher whose labels or pixels are not the student's, or that saw the student's test patients.

    Raises:
        UsageError: other labels, or some that the dataset lacks.
        DataError: another way to make pixels, or patients of the test fold.
    """
    description = reference.description
    labels = tuple(part.strip() for part in recipe.labels.split(","))
    labels += (recipe.rest_class,) if recipe.rest_class else ()
    if labels != description.labels:
        raise UsageError(
            f"the student's labels are '{','.join(labels)}', and '{reference.title}' has "
            f"'{','.join(description.labels)}'",
            "leave the labels out: a student has those of its teacher",
        )
    if missing := [label for label in labels if label not in data.manifest and label != recipe.rest_class]:
        raise UsageError(
            f"'{reference.title}' returns '{','.join(missing)}', and {data.name} has no such label",
            "take a teacher of labels that the dataset has",
        )
    if description.pixels:
        checkpoint.check_pixels(reference.title, description, dataset=data.name, pixels=data.recipe)
    manifest, split = data.manifest, f"split_{replicate}"
    people = manifest.loc[manifest[split] == "test", "person_id"] if split in manifest else manifest["person_id"][:0]
    if count := checkpoint.trained_on(description, people.tolist()):
        raise DataError(
            f"'{reference.title}' was trained on {count} of the {people.nunique()} test patients of '{split}'",
            "take the teacher of the same replicate, or another dataset",
        )
