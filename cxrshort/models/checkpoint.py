"""Model files: safetensors, with everything needed to use the model in the header.

The header holds one JSON text, so that equal models are equal byte for byte (a map of many keys would be written in a
random order). It holds nothing that differs between equal runs: times, paths and host names stand in run.json.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from cxrshort import files, runs
from cxrshort.errors import DataError, MissingInputError
from cxrshort.models.classifier import Classifier, InputSpec

FILE = "model.safetensors"
FORMAT_VERSION = 1
_KEY = "cxrshort"


@dataclass(frozen=True)
class Description:
    """Say what a model is and where it comes from.

    Args:
        kind: ``"classifier"``, ``"ensemble"`` of several, ``"segmenter"``, or ``"pipeline"`` of a segmenter and a
            classifier.
        architecture: name in the table of architectures.
        labels: names of the outputs: labels, or the masks of a segmenter.
        spec: input specification.
        dataset: name of the training dataset.
        dataset_id: its identity; empty in older files.
        training: the method, and the settings that differ from its recipe, as text for people; empty in older files.
        replicate: which split it was trained on.
        seed: the seed of initialisation, order and augmentation.
        recipe: every setting that shaped the training.
        selection: what chose this state, on validation data.
        pixels: how the images of the training dataset were made.
        training_people: hashes of the persons trained on, see :func:`hash_people`.
        members: number of networks; 1 unless it is an ensemble.
        combine: how an ensemble combines probabilities, ``"mean"`` or ``"quadratic"``.
        parts: the segmenter and the classifier of a pipeline; empty otherwise.
        background: what a pipeline puts in the background's place, ``"noise"`` or ``"black"``, or what a classifier was
            trained to find there; empty otherwise.
        threshold: probability above which a pipeline takes a pixel as foreground.
    """

    kind: str
    architecture: str
    labels: tuple[str, ...]
    spec: InputSpec
    dataset: str = ""
    dataset_id: str = ""
    training: str = ""
    replicate: int = 0
    seed: int = 0
    recipe: dict[str, Any] = field(default_factory=dict)
    selection: dict[str, Any] = field(default_factory=dict)
    pixels: dict[str, Any] = field(default_factory=dict)
    training_people: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64), compare=False)
    members: int = 1
    combine: Literal["mean", "quadratic"] = "mean"
    parts: tuple["Description", ...] = ()
    background: str = ""
    threshold: float = 0.5

    def to_json(self) -> str:
        """Return the description as one line of JSON with sorted keys."""
        record = {
            "format": FORMAT_VERSION,
            **{name: getattr(self, name) for name in ("kind", "architecture", "dataset", "dataset_id", "training")},
            **{name: getattr(self, name) for name in ("replicate", "seed")},
            "labels": list(self.labels),
            "spec": self.spec.record(),
            **{name: getattr(self, name) for name in ("recipe", "selection", "pixels", "members", "combine")},
            "training_people": base64.b64encode(self.training_people.tobytes()).decode("ascii"),
        }
        if self.parts:
            record["parts"] = [json.loads(part.to_json()) for part in self.parts]
        if self.background:
            record |= {"background": self.background, "threshold": self.threshold}
        return json.dumps(record, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Description":
        """Read what :meth:`to_json` wrote."""
        record = json.loads(text)
        record.pop("format")
        spec: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in record.pop("spec").items()
        }
        people = np.frombuffer(base64.b64decode(record.pop("training_people")), np.uint64)
        labels = tuple(record.pop("labels"))
        parts = tuple(cls.from_json(json.dumps(part)) for part in record.pop("parts", []))
        return cls(labels=labels, spec=InputSpec(**spec), training_people=people, parts=parts, **record)


def hash_people(people: Iterable[str]) -> npt.NDArray[np.uint64]:
    """Return the sorted 64-bit hashes of distinct person ids, so that a shared model names no patient."""
    digests = {hashlib.sha256(f"cxrshort/{person}".encode()).digest()[:8] for person in people}
    return np.sort(np.frombuffer(b"".join(digests), "<u8").astype(np.uint64))


def trained_on(description: Description, people: Iterable[str]) -> int:
    """Return how many of these persons a model was trained on or chosen by."""
    return int(np.isin(hash_people(people), description.training_people).sum())


def check_pixels(name: str, description: Description, *, dataset: str, pixels: Mapping[str, Any]) -> None:
    """Refuse images made in another way than those that a model was trained on; their size may differ.

    Raises:
        DataError: a setting of the dataset differs.
    """
    names = [each for each in description.pixels if each != "size"]
    differing = [each for each in names if pixels.get(each, description.pixels[each]) != description.pixels[each]]
    if differing:
        wanted, found = (
            " and ".join(f"{each} '{made[each]}'" for each in differing) for made in (description.pixels, pixels)
        )
        raise DataError(
            f"'{name}' was trained on images made with {wanted}, {dataset} has {found}",
            f"build-dataset with {' '.join(_option(each, description.pixels[each]) for each in differing)}",
        )


def _option(setting: str, value: Any) -> str:
    """Return what to give build-dataset."""
    name = f"--{setting.replace('_', '-')}"
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {value}"


def save(model: Classifier, path: Path, *, description: Description) -> None:
    """Write the model, atomically; equal models give equal bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    # In memory first: the library's own writer turns a full disk into an error of another kind.
    content = serialise(tensors, metadata={_KEY: description.to_json()})
    with files.atomic(path) as temporary:
        temporary.write_bytes(content)


def locate(name: str | Path) -> Path:
    """Return the model file that a run folder or a path stands for.

    Raises:
        MissingInputError: nothing is there, or training was interrupted.
    """
    path = Path(name)
    if path.is_dir():
        if (path / runs.UNFINISHED).exists() and not (path / runs.DONE).exists():
            raise MissingInputError(f"'{path}' is not complete", "cxrshort train with --resume goes on with it")
        path = path / FILE
    if not path.is_file():
        raise MissingInputError(f"'{path}' does not exist", "cxrshort train makes a model")
    return path


def describe(path: Path) -> Description:
    """Read a model file's header.

    Raises:
        DataError: the file is not a model of cxrshort, or of a version that this one cannot read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
    except (SafetensorError, OSError) as error:
        raise DataError(f"'{path}' is not a model file", "cxrshort train makes a model") from error
    if text is None:
        raise DataError(
            f"'{path}' was not written by cxrshort", "give such weights to cxrshort train as --weights FILE"
        )
    try:
        version = json.loads(text)["format"]
        if version != FORMAT_VERSION:
            raise DataError(
                f"'{path}' has format {version}, this version reads {FORMAT_VERSION}", "use the version that wrote it"
            )
        return Description.from_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{path}' has a damaged header", "train the model again") from error


def build(description: Description, *, seed: int = 0, weights: str = "none") -> Classifier:
    """Build the classifier that a description names, initialised from the seed or from given weights."""
    from cxrshort.models.architecture import initialise
    from cxrshort.models.ensemble import Ensemble, is_exclusive
    from cxrshort.models.pipeline import assemble
    from cxrshort.models.sources.architectures import find_architecture

    if description.kind == "pipeline":
        segmenter, classifier = (build(part, seed=seed, weights=weights) for part in description.parts)
        return assemble(description, segmenter, classifier)
    architecture = find_architecture(description.architecture)
    members = [
        initialise(architecture, len(description.labels), weights=weights, seed=seed + member)
        for member in range(description.members)
    ]
    if description.kind == "ensemble":
        voting = Ensemble(members, combine=description.combine, exclusive=is_exclusive(description))
        return Classifier(voting, labels=description.labels, spec=description.spec)
    head = architecture.tail or architecture.head
    return Classifier(members[0], labels=description.labels, spec=description.spec, head=head)


def load(path: Path) -> tuple[Classifier, Description]:
    """Read a model file: the classifier in eval mode on the CPU, and its description.

    Raises:
        DataError: the file is not a model, or its tensors do not fit its architecture.
    """
    from safetensors.torch import load_file

    description = describe(path)
    model = build(description)
    try:
        model.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise DataError(
            f"'{path}' does not fit its architecture '{description.architecture}'", "train it again"
        ) from error
    return model.eval().to(memory_format=torch.channels_last), description
