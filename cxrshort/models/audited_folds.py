"""The fold that an audit looks at: as for evaluation, except that training images are allowed on request.

What would invalidate an audit: images of persons whom the model was trained on. What it does with them may be learnt by
heart. They are refused, except under ``--split train``, where a note counts these persons.
"""

from cxrshort.dataset import Dataset
from cxrshort.models import checkpoint
from cxrshort.models.predictions import Fold, role_of, unseen_fold
from cxrshort.models.sources.opening import Reference


def audited_fold(model: Reference, data: Dataset, split: str) -> tuple[Fold, list[str]]:
    """Return the fold that is audited, and what must be known of it.

    Args:
        model: whose replicate says which rows are of the fold.
        data: the dataset.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``.

    Raises:
        DataError: the model was trained on persons of the fold and ``split`` is not ``"train"``, or its images were
            made in another way.
        UsageError: the dataset has no such replicate.
    """
    if split != "train":
        return unseen_fold(model, data, split), []
    description = model.description
    checkpoint.check_pixels(model.name, description, dataset=data.name, pixels=data.recipe)
    fold = data.fold(split, replicate=description.replicate)
    people = fold.manifest["person_id"]
    seen = checkpoint.trained_on(description, people)
    note = f"the model was trained on {seen} of the {people.nunique()} patients of this fold (--split train)"
    return Fold(fold, split, role_of(description, data)), [note] if seen else []
