"""What is explained, how, and beside what: everything about an explanation that needs no network."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxrshort.attribution.background import Background, choose_background
from cxrshort.attribution.contract import AttributionMethod
from cxrshort.attribution.explained_images import ExplainedImages, check_explainable, choose_images, choose_labels
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import UsageError
from cxrshort.models.audited_folds import audited_fold
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.predictions import Fold
from cxrshort.models.sources.opening import Reference, describe_model


@dataclass(frozen=True)
class ExplanationPlan:
    """Hold what is explained, and how.

    Args:
        reference: the model.
        fold: the rows to choose from.
        explained: what is explained.
        method: how.
        settings: of the method.
        backgrounds: references by output; empty for methods that take none.
        labels: in order.
        notes: sentences that stand beside the result.
        background: dataset whose references are not those of the explained one; None where there is none.
    """

    reference: Reference
    fold: Fold
    explained: ExplainedImages
    method: AttributionMethod
    settings: Any
    backgrounds: Mapping[int, Background]
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    background: Dataset | None = None

    @property
    def content(self) -> dict[str, str]:
        """Return what maps depend on besides options and files, by its content: no path says which images there are."""
        table = self.explained.table
        rows = [*zip(table["image_id"], table["label"], self.explained.positions[self.explained.images], strict=True)]
        return {
            "model_id": self.reference.model_id,
            "dataset_id": self.explained.data.dataset_id,
            "background's dataset_id": "" if self.background is None else self.background.dataset_id,
            "explained images": hashlib.sha256(json.dumps(rows, default=int).encode()).hexdigest(),
        }

    @property
    def regression(self) -> bool:
        """Return whether the model predicts numbers, so that images have no class."""
        return self.reference.outputs.name == "regression"


def plan_explanation(
    model: str,
    data: Dataset,
    *,
    split: str,
    labels: Sequence[str],
    method: tuple[AttributionMethod, Any],
    background: str | None,
    images: tuple[int | None, int],
    seed: int,
) -> ExplanationPlan:
    """Choose images, labels and references; refuse what needs no network to be refused.

    Args:
        model: a model.
        data: the whole dataset.
        split: the fold.
        labels: that are explained; none takes COVID-19, else the model's first.
        method: and its settings.
        background: dataset of the references; None takes ``data``.
        images: how many are explained for each label, None for all, and how many references there are.
        seed: of both samples.

    Raises:
        DataError: the model was trained on persons of the fold, or there is no reference.
        UsageError: a segmenter, an unknown label, or a background that the method does not take.
    """
    chosen, settings = method
    reference = describe_model(model)
    check_explainable(reference)
    names = choose_labels(reference, labels)
    fold, notes = audited_fold(reference, data, split)
    explained = choose_images(reference, fold.data, names, count=images[0], seed=seed)
    backgrounds: dict[int, Background] = {}
    other = None
    if chosen.requires.references:
        other = None if background is None else load_dataset(background)
        source = data if other is None else other
        shape = visible_pixels(reference.description, explained.data).image_shape
        for name in names:
            output = reference.description.labels.index(name)
            backgrounds[output] = choose_background(reference, source, name, count=images[1], seed=seed, shape=shape)
    elif background is not None:
        raise UsageError(f"'{chosen.name}' takes no references, and --background gives some", "leave --background out")
    return ExplanationPlan(reference, fold, explained, chosen, settings, backgrounds, names, tuple(notes), other)
