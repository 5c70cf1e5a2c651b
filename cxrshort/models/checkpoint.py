"""Model files: safetensors, with everything needed to use the model in the header.

The header holds one JSON text, so that equal models are equal byte for byte (a map of many keys would be written in a
random order). It holds nothing that differs between equal runs: times, paths and host names stand in run.json.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import Tensor

from cxrshort import files, runs
from cxrshort.errors import DataError, MissingInputError
from cxrshort.models import people, schema
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.heads import LINEAR
from cxrshort.models.people import HashedPeople
from cxrshort.models.schema import Combination

FILE = "model.safetensors"
FORMAT_VERSION = max(schema.FORMATS)
SYNTHETIC_DATASET = "synthetic_dataset"
"""Entry of a recipe: identity of the dataset whose images were mixed into the training."""
CURED_ON = "cured_on"
"""Entry of a recipe: identity of the dataset whose validation fold changed the last layer of a trained model."""
KEY = "cxrshort"
"""Entry of a file's metadata that holds the description."""


@dataclass(frozen=True)
class Description:
    """Describe a model and where it comes from.

    Args:
        kind: ``"classifier"``, ``"ensemble"`` of several, ``"segmenter"``, ``"pipeline"`` of a segmenter and a
            classifier, or ``"cyclegan"``.
        architecture: name in the table of architectures.
        labels: names of the outputs: labels, or the masks of a segmenter; for a cyclegan the expressions of its two
            sides.
        spec: input specification.
        dataset: name of the training dataset.
        dataset_id: its identity; empty in older files.
        training: the method, and the settings that differ from its recipe, as text for people; empty in older files.
        replicate: which split it was trained on.
        seed: the seed of initialisation, order and augmentation.
        recipe: every setting that shaped the training.
        selection: what chose this state, on validation data.
        pixels: how the images of the training dataset were made.
        training_people: hashes of the persons trained on by their salt, see :mod:`cxrshort.models.people`.
        members: number of networks; 1 unless it is an ensemble.
        combine: how an ensemble combines probabilities, ``"mean"`` or ``"quadratic"``.
        parts: the segmenter and the classifier of a pipeline; empty otherwise.
        background: what a pipeline puts in the background's place, ``"noise"`` or ``"black"``, or what a classifier was
            trained to find there; empty otherwise.
        threshold: probability above which a pipeline takes a pixel as foreground.
        head: kind of the last layer, one of :data:`cxrshort.models.heads.HEADS`.
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
    training_people: HashedPeople = field(default_factory=dict, compare=False)
    members: int = 1
    combine: Combination = "mean"
    parts: tuple["Description", ...] = ()
    background: str = ""
    threshold: float = 0.5
    head: str = LINEAR

    def to_json(self) -> str:
        """Return the description as one line of JSON with sorted keys."""
        record = {
            "format": FORMAT_VERSION,
            **{name: getattr(self, name) for name in ("kind", "architecture", "dataset", "dataset_id", "training")},
            **{name: getattr(self, name) for name in ("replicate", "seed")},
            "labels": list(self.labels),
            "spec": self.spec.record(),
            **{name: getattr(self, name) for name in ("recipe", "selection", "pixels", "members", "combine")},
            "training_people": people.encode_hashes(self.training_people),
        }
        if self.parts:
            record["parts"] = [json.loads(part.to_json()) for part in self.parts]
        if self.background:
            record |= {"background": self.background, "threshold": self.threshold}
        if self.head != LINEAR:
            record["head"] = self.head
        return json.dumps(record, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, *, source: str = "description") -> "Description":
        """Read what :meth:`to_json` wrote, in this version or an earlier one.

        Args:
            text: the JSON.
            source: where it comes from, for messages.

        Raises:
            DataError: a field breaks a rule of :mod:`cxrshort.models.schema`, which the message names.
        """
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"'{source}' has a damaged header", "train the model again") from error
        version = record.get("format") if isinstance(record, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise DataError(
                f"'{source}' has format {version}, this version reads 1 to {FORMAT_VERSION}",
                "use the version that wrote it",
            )
        schema.check_description(record, source=source)
        return cls._from_record(record)

    @classmethod
    def _from_record(cls, record: dict[str, Any]) -> "Description":
        fields = {name: value for name, value in record.items() if name != "format"}
        spec: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields["spec"].items()
        }
        hashes = fields["training_people"]
        fields["labels"] = tuple(fields["labels"])
        fields["spec"] = InputSpec(**spec)
        fields["training_people"] = people.decode_hashes(
            hashes if isinstance(hashes, dict) else {people.UNSALTED: hashes}
        )
        fields["parts"] = tuple(cls._from_record(part) for part in fields.get("parts", []))
        return cls(**fields)


def trained_on(description: Description, persons: Iterable[str]) -> int:
    """Return how many of these persons a model was trained on or chosen by."""
    return people.count_people(description.training_people, persons)


def check_pixels(name: str, description: Description, *, dataset: str, pixels: Mapping[str, Any]) -> None:
    """Refuse images made in another way than those that a model was trained on; their size may differ.

    Raises:
        DataError: a setting of the dataset differs.
    """
    names = [name for name in description.pixels if name != "size"]
    differing = [name for name in names if pixels.get(name, description.pixels[name]) != description.pixels[name]]
    if differing:
        expected, actual = (
            " and ".join(f"{name} '{made[name]}'" for name in differing) for made in (description.pixels, pixels)
        )
        raise DataError(
            f"'{name}' was trained on images made with {expected}, {dataset} has {actual}",
            f"build-dataset with {' '.join(_option(name, description.pixels[name]) for name in differing)}",
        )


def _option(setting: str, value: Any) -> str:
    """Return what to give build-dataset."""
    name = f"--{setting.replace('_', '-')}"
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {value}"


def save_model(model: Classifier, path: Path, *, description: Description) -> None:
    """Write the model, atomically; equal models give equal bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    # In memory first: the library's own writer turns a full disk into an error of another kind.
    content = serialise(tensors, metadata={KEY: description.to_json()})
    with files.atomic(path) as temporary:
        temporary.write_bytes(content)


def locate_model(name: str | Path) -> Path:
    """Return the model file that a run folder or a path stands for.

    Raises:
        MissingInputError: nothing is there, or training was interrupted.
    """
    path = Path(name)
    if path.is_dir():
        if (path / runs.UNFINISHED).exists() and not (path / runs.DONE).exists():
            raise MissingInputError(f"'{path}' is not complete", "cxrshort train with --resume continues it")
        path = path / FILE
    if not path.is_file():
        raise MissingInputError(f"'{path}' does not exist", "cxrshort train makes a model")
    return path


def read_description(path: Path) -> Description:
    """Read a model file's header.

    Raises:
        DataError: the file is not a model of cxrshort, of a version that this one cannot read, or a field of its
            description breaks a rule, which the message names.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text, names = (file.metadata() or {}).get(KEY), file.keys()
    except (SafetensorError, OSError) as error:
        raise DataError(f"'{path}' is not a model file", "cxrshort train makes a model") from error
    if text is None:
        raise DataError(
            f"'{path}' was not written by cxrshort", "give such weights to cxrshort train as --weights FILE"
        )
    description = Description.from_json(text, source=str(path))
    networks = len({name.split(".")[2] for name in names if name.startswith("network.members.")}) or 1
    if networks != description.members:
        raise DataError(
            f"'{path}': field 'members' is '{description.members}', it must be {networks}, the networks in the file",
            "train the model again, or download it again",
        )
    return description


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a model file.

    Raises:
        DataError: the file is damaged, or weights are no numbers.
    """
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"'{path}' is not a model file", "cxrshort train makes a model") from error
    for name, value in tensors.items():
        if value.is_complex():
            raise DataError(f"'{path}': weights in '{name}' are complex numbers", "train the model again")
        wrong = int((~torch.isfinite(value)).sum())
        if wrong:
            raise DataError(
                f"'{path}': {wrong} of {value.numel()} weights in '{name}' are no finite numbers",
                "train the model again, at a lower --learning-rate where that was the cause",
            )
    return tensors
