"""Which models an audit takes, and the label whose logit it reads."""

from cxrshort import columns, registry
from cxrshort.errors import UsageError
from cxrshort.models.sources.opening import Reference


def refuse_other_models(reference: Reference, audit: str) -> None:
    """Refuse a model that gives no log-odds of findings.

    Args:
        reference: the model.
        audit: what the message calls the audit.

    Raises:
        UsageError: it is a segmenter or a regression.
    """
    if reference.description.kind == "segmenter" or reference.outputs.name == "regression":
        noun = "segmenter" if reference.description.kind == "segmenter" else "regression"
        raise UsageError(f"'{reference.title}' is a {noun}, and {audit} takes classifiers", "name a classifier")


def audited_label(reference: Reference, label: str | None, *, audit: str) -> str:
    """Return the label whose log-odds count: COVID-19 unless the user names another, else the model's first.

    Args:
        reference: the model.
        label: the user's; None where there is none.
        audit: what messages call the audit.

    Raises:
        UsageError: the model has no such label, or is no classifier.
    """
    refuse_other_models(reference, audit)
    names = reference.description.labels
    if label is None:
        return columns.COVID if columns.COVID in names else names[0]
    registry.check_name(names, label, kind="label of this model")
    return label
