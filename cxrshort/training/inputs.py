"""Inputs of a training run: the job, the files that it reads, and their identity."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cxrshort import runs
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.files import sha256
from cxrshort.models import checkpoint
from cxrshort.models.predictions import image_folders
from cxrshort.models.sources.foreign import is_foreign, name_by_content
from cxrshort.training import recipes
from cxrshort.training.recipes import Recipe

Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class TrainingJob:
    """Specify a training run: the model, its data and where it is written.

    Args:
        data: the dataset.
        arch: the architecture.
        recipe: every setting.
        replicate: which split to train on.
        seed: of initialisation, order and augmentation.
        folder: the run folder.
        compute: device, precision and processes.
        explicit_label: whether the user named the label that chooses the epoch.
        force: start over where a run exists.
        resume: go on where a run was interrupted.
        tensorboard: write the events for TensorBoard too.
        report: takes events.
        verb: the command that asked for the run.
        read: files that the run reads beside those of dataset and recipe, by what they are.
        title: what people call the training; empty names it by the recipe.
    """

    data: Dataset
    arch: str
    recipe: Recipe
    replicate: int
    seed: int
    folder: Path
    compute: Compute
    explicit_label: bool = False
    force: bool = False
    resume: bool = False
    tensorboard: bool = False
    report: Report = runs.ignore_event
    verb: str = "train"
    read: Mapping[str, Path] = field(default_factory=dict)
    title: str = ""

    def titled(self, title: str) -> Report:
        """Return a report whose events also say which run of a sweep they belong to."""
        return lambda event: self.report({**event, "run": ", ".join(filter(None, [title, event.get("run", "")]))})

    def files(self) -> dict[str, Path]:
        """Return what the run reads and must not write over, by what it is; run.json keeps the hashes of files."""
        recipe = self.recipe
        files = {"manifest": self.data.path, **image_folders(self.data), **self.read}
        if self.data.synthetic is not None:
            files["synthetic manifest"] = self.data.synthetic.path
        if recipe.segmenter and not is_foreign(recipe.segmenter):
            files["segmenter"] = checkpoint.locate_model(recipe.segmenter)
        for name in ("mask_file", "weights"):
            if (path := Path(getattr(recipe, name))).is_file():
                files[name] = path
        return {name: path for name, path in files.items() if path is not None}

    def sources(self) -> list[str]:
        """Return the files and folders that the run reads, for people."""
        recipe = self.recipe
        weights = recipe.weights if recipe.weights != "none" else ""
        parts = [self.data, *([self.data.synthetic] if self.data.synthetic else [])]
        datasets = [str(part.path) if part.path else "standard input" for part in parts]
        return [*datasets, *filter(None, [weights, recipe.segmenter, recipe.mask_file]), *map(str, self.read.values())]


def identify(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as JSON values that name files by their content, wherever they lie.

    Weights and masks that are not there keep the name by which the recipe calls them.
    """
    names = {"segmenter": _name_segmenter(recipe)}
    for name in ("weights", "mask_file"):
        path = Path(getattr(recipe, name))
        if path.is_file():
            names[name] = f"sha256:{sha256(path)}"
    return recipe.record() | names


def name_training(recipe: Recipe) -> str:
    """Return what people call a training: its method, and whatever differs from the recipe that it started from.

    Example:
        >>> from cxrshort.training import recipes
        >>> name_training(recipes.load_recipe("standard", overrides={"epochs": 9, "class_weights": True}))
        'erm, epochs=9, class-weights'
    """
    reference, identified = recipes.published(recipe.name).record(), identify(recipe)
    parts = [recipe.method, *([] if recipe.name in recipes.STANDARDS else [recipe.name])]
    for name, value in recipe.record().items():
        if value != reference[name] and name != "method":
            text = str(identified[name]).removeprefix("sha256:")
            text = text[:8] if text != str(identified[name]) else text
            parts.append(name.replace("_", "-") + ("" if value is True else f"={text}"))
    return ", ".join(parts)


def hash_manifest(data: Dataset) -> str:
    """Return the SHA-256 of a manifest's file, or of its rows where they came through standard input.

    Of real and synthetic images together it is that of both hashes.
    """
    if data.synthetic is not None:
        both = hash_manifest(replace(data, synthetic=None)) + hash_manifest(data.synthetic)
        return hashlib.sha256(both.encode()).hexdigest()
    if data.path is not None:
        return sha256(data.path)
    return hashlib.sha256(data.manifest.to_csv(index=False).encode()).hexdigest()


def _name_segmenter(recipe: Recipe) -> str:
    if not recipe.segmenter:
        return ""
    if is_foreign(recipe.segmenter):
        return name_by_content(recipe.segmenter)
    return f"sha256:{sha256(checkpoint.locate_model(recipe.segmenter))}"
