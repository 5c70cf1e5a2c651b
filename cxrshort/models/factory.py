"""Models from descriptions and files: architectures, ensembles and pipelines put together."""

from pathlib import Path

import torch

from cxrshort.errors import DataError, UsageError
from cxrshort.models import checkpoint
from cxrshort.models.architecture import initialise
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.ensemble import Ensemble, is_exclusive
from cxrshort.models.heads import replace_head
from cxrshort.models.pipeline import assemble_pipeline
from cxrshort.models.sources.architectures import find_architecture


def build_model(description: Description, *, seed: int = 0, weights: str = "none") -> Classifier:
    """Build the classifier that a description names, initialised from the seed or from given weights."""
    if description.kind == "pipeline":
        segmenter, classifier = (build_model(part, seed=seed, weights=weights) for part in description.parts)
        return assemble_pipeline(description, segmenter, classifier)
    architecture = find_architecture(description.architecture)
    members = [
        initialise(architecture, len(description.labels), weights=weights, seed=seed + member)
        for member in range(description.members)
    ]
    if description.kind == "ensemble":
        voting = Ensemble(members, combine=description.combine, exclusive=is_exclusive(description))
        return Classifier(voting, labels=description.labels, spec=description.spec)
    replace_head(members[0], architecture.head, kind=description.head)
    head = architecture.tail or architecture.head
    return Classifier(members[0], labels=description.labels, spec=description.spec, head=head)


def load_model(path: Path) -> tuple[Classifier, Description]:
    """Read a model file: the classifier in eval mode on the CPU, and its description.

    Raises:
        DataError: the file is not a model, its description breaks a rule, or its tensors are no numbers or do not fit
            its architecture.
    """
    description = checkpoint.read_description(path)
    tensors = checkpoint.read_weights(path)
    try:
        model = build_model(description)
    except UsageError as error:  # names of other packages are looked up in them alone
        raise DataError(
            f"'{path}': field 'architecture' is '{description.architecture}', and {error.message}", error.hint
        ) from error
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise DataError(
            f"'{path}' does not fit its fields 'architecture' ('{description.architecture}') and 'labels' "
            f"({len(description.labels)} outputs)",
            "train it again",
        ) from error
    return model.eval().to(memory_format=torch.channels_last), description
