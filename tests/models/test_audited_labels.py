"""The label that an audit reads, and models that it cannot take."""

from dataclasses import replace

import pytest

from cxrshort.errors import UsageError
from cxrshort.models import checkpoint, factory
from cxrshort.models.audited_labels import audited_label
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.outputs import Task
from cxrshort.models.sources.opening import Reference, describe_model


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    path = tmp_path_factory.mktemp("labels") / "model.safetensors"
    description = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(32))
    checkpoint.save_model(factory.build_model(description, seed=1), path, description=description)
    return describe_model(str(path))


def test_label_is_covid_or_the_users_or_the_first(reference: Reference) -> None:
    assert (
        audited_label(reference, None, audit="the audit") == "COVID-19"
        and audited_label(reference, "Edema", audit="the audit") == "Edema"
    )
    first = replace(reference, description=replace(reference.description, labels=("Mass", "Edema")))
    assert audited_label(first, None, audit="the audit") == "Mass"
    with pytest.raises(UsageError, match="'Masse' is not a known label of this model"):
        audited_label(first, "Masse", audit="the audit")


def test_segmenters_and_regressions_are_refused(reference: Reference) -> None:
    recipe = {**reference.description.recipe, "task": Task("regression").name}
    for kind, changed in (
        ("segmenter", replace(reference.description, kind="segmenter")),
        ("regression", replace(reference.description, recipe=recipe)),
    ):
        with pytest.raises(UsageError, match=f"is a {kind}, and the audit takes classifiers"):
            audited_label(replace(reference, description=changed), None, audit="the audit")
