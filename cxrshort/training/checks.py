"""Checks before a run is started: parts that do not fit together, and what the dataset lacks."""

from cxrshort.errors import DataError, UsageError
from cxrshort.masks.file import MaskFile, Tally
from cxrshort.models import checkpoint
from cxrshort.models.architecture import Architecture
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.training import recipes
from cxrshort.training.data.folds import Folds
from cxrshort.training.data.segmentation import MaskFolds
from cxrshort.training.objectives.contract import Objective
from cxrshort.training.recipes import Recipe
from cxrshort.training.teacher import Teacher

AnyFolds = Folds | MaskFolds
Segmenter = tuple[Classifier, Description]


def find_fitting_architecture(name: str, recipe: Recipe, objective: Objective) -> Architecture:
    """Return the architecture of a name, once it is known to fit what is learnt: labels, masks or both.

    Raises:
        UsageError: it does not, or there is none of that name.
    """
    architecture = find_architecture(name)
    if architecture.output == "masks" and recipe.task != "masks":
        raise UsageError(
            f"'{name}' draws masks, it cannot learn labels", f"cxrshort train --arch {name} --target masks"
        )
    if recipe.task == "masks" and architecture.output != "masks":
        raise UsageError(f"'{name}' returns labels, it cannot learn masks", "--arch unet or unet-small")
    predicts_masks = objective.needs.predicted_masks
    if predicts_masks and not architecture.with_masks:
        raise UsageError(
            f"'{name}' draws no masks, and '{recipe.method}' learns them beside the labels",
            "--arch multitask-unet or multitask-unet-small",
        )
    if architecture.with_masks and not predicts_masks:
        raise UsageError(
            f"'{name}' draws masks beside its labels, and '{recipe.method}' does not teach it to", "--method multitask"
        )
    return architecture


def check_size(architecture: Architecture, spec: InputSpec) -> None:
    """Refuse images that are too small for a network.

    Raises:
        UsageError: they are.
    """
    if spec.size < architecture.minimum_size:
        raise UsageError(
            f"'{architecture.name}' needs images of {architecture.minimum_size} pixels, the dataset has {spec.size}",
            f"build-dataset with --size {architecture.minimum_size} or more",
        )


def check_batch_fits(recipe: Recipe, folds: AnyFolds) -> None:
    """Refuse a batch size of the user's own that the training fold cannot fill; a recipe's is made smaller.

    Raises:
        UsageError: with the number of images.
    """
    images = len(folds.train.manifest)
    if recipe.batch_size > images and recipe.batch_size != recipes.published(recipe.name).batch_size:
        raise UsageError(
            f"--batch-size is '{recipe.batch_size}', and the training fold has {images} images",
            f"--batch-size {images} takes all of them at once",
        )


def check_masks(objective: Objective, folds: AnyFolds, recipe: Recipe, segmenter: Segmenter | None) -> bool:
    """Return whether the run needs masks; refuse it where the objective has none, or no use for those that are given.

    Raises:
        UsageError: it does.
        DataError: an image has no mask; or the masks of a file say nothing, or are no masks.
    """
    needs_masks = objective.needs.masks or bool(recipe.background)
    if recipe.mask_file and not needs_masks:
        raise UsageError(
            f"--mask-file has no use with --method {recipe.method}", "--method rrr, gain, isnet, or --target masks"
        )
    if segmenter is not None and not needs_masks:
        raise UsageError(
            f"--segmenter has no use with --method {recipe.method}",
            "--background noise, or --method rrr, gain, isnet, multitask",
        )
    judged = objective.needs.predicted_masks or objective.needs.validation_masks
    if needs_masks and segmenter is None:
        _check_every_mask(folds, recipe, judged=judged or bool(recipe.background))
    for fold in (folds.train, folds.val) if judged else (folds.train,):
        objective.check(folds.groups, (segmenter or fold.masks) if needs_masks else None)
    count_masks(folds)
    return needs_masks


def _check_every_mask(folds: AnyFolds, recipe: Recipe, *, judged: bool) -> None:
    """Refuse folds in which some images have a mask and some have none, that of validation where it is judged so."""
    for split, fold in {"train": folds.train, **({"val": folds.val} if judged else {})}.items():
        missing = fold.manifest["image_id"][~fold.has_mask]
        if len(missing) and (recipe.background or len(missing) < len(fold.manifest)):
            raise DataError(
                f"{fold.name}: {len(missing)} of the {len(fold.manifest)} images in '{split}' have no mask, "
                f"first '{missing.iloc[0]}'",
                "leave those rows out of the manifest, or give --segmenter MODEL",
            )


def check_warm_up(objective: Objective, recipe: Recipe) -> None:
    """Refuse a run that consists of warm-up epochs alone.

    Raises:
        UsageError: with the number of epochs that is needed.
    """
    warm_up = objective.warm_up_epochs
    if warm_up >= recipe.epochs:
        raise UsageError(
            f"--epochs is '{recipe.epochs}', and the first {warm_up} of '{recipe.method}' are warm-up epochs",
            f"--epochs {warm_up + 1} or more, or --set warm_up_epochs=N",
        )


def check_teacher(objective: Objective, teacher: Teacher | None, *, background: str = "") -> None:
    """Refuse an objective without the teacher that it needs, a teacher that it has no use for, or a masked student.

    Args:
        objective: what is learnt.
        teacher: what it learns from, if anything.
        background: what the recipe puts in the background's place.

    Raises:
        UsageError: it is so.
    """
    if objective.needs.teacher and teacher is None:
        raise UsageError(
            f"'{objective.name}' learns from a teacher, and there is none",
            f"cxrshort tea-distill --method {objective.name} --teacher MODEL",
        )
    if teacher is not None and not objective.needs.teacher:
        raise UsageError(f"'{objective.name}' has no use for a teacher", "leave it out, or choose another --method")
    if teacher is not None and background:
        raise UsageError(
            f"the recipe's background is '{background}', and a student sees whole images",
            "--background of tea-distill says what the teacher sees",
        )


def count_masks(folds: AnyFolds) -> Tally | None:
    """Return how many training masks of a file there are, and how many say nothing; None without a file."""
    masks = folds.train.masks if folds.train.mask_file else None
    return masks.tally if isinstance(masks, MaskFile) else None


def check_segmenter_people(segmenter: Description, test_people: list[str], *, replicate: int) -> None:
    """Refuse a segmenter that saw patients of the test fold, since the pipeline could never be tested there.

    Raises:
        DataError: it was trained on some of them.
    """
    count = checkpoint.trained_on(segmenter, test_people)
    if count:
        raise DataError(
            f"the segmenter was trained on {count} of the {len(set(test_people))} test patients of 'split_{replicate}'",
            f"train the segmenter with --replicate {replicate}, or on another dataset",
        )
