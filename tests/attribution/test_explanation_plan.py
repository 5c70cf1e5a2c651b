"""What is known of an explanation before a network is opened."""

from pathlib import Path

import pytest

from cxrshort.attribution.explanation_plan import ExplanationPlan, plan_explanation
from cxrshort.attribution.method_settings import read_method
from cxrshort.dataset import load_dataset
from cxrshort.errors import UsageError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec

from ..training.tiny import tiny_dataset


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the dataset ``tiny``, and untrained models: ``classes``, ``numbers``, ``masks``."""
    folder = tmp_path_factory.mktemp("plan")
    tiny_dataset(folder / "tiny", size=16)
    models = {
        "classes": Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(16)),
        "numbers": Description("classifier", "small-cnn", ("Edema",), InputSpec(16), recipe={"task": "regression"}),
        "masks": Description("segmenter", "unet-small", ("lungs",), InputSpec(32)),
    }
    for name, description in models.items():
        (folder / name).mkdir()
        model = factory.build_model(description, seed=0)
        checkpoint.save_model(model, folder / name / "model.safetensors", description=description)
    return folder


def plan(home: Path, model: str = "classes", *, method: str = "expected-gradients", **options: object):
    chosen = {"split": "all", "labels": (), "background": None, "images": (None, 5), "seed": 0, **options}
    data = load_dataset(str(home / "tiny"))
    return plan_explanation(str(home / model), data, method=read_method(method, ()), **chosen)  # type: ignore[arg-type]


def test_every_label_has_references_without_it_by_its_output(home: Path) -> None:
    made: ExplanationPlan = plan(home, labels=["Edema", "COVID-19", "Edema"], images=(6, 5))
    assert made.labels == ("Edema", "COVID-19") and list(made.backgrounds) == [1, 0]
    assert "5 images without Edema" in made.backgrounds[1].note
    assert list(made.explained.table["label"]) == ["Edema"] * 6 + ["COVID-19"] * 6 and made.notes == ()


def test_methods_without_references_have_no_background(home: Path) -> None:
    assert plan(home, method="gradient").backgrounds == {}
    with pytest.raises(UsageError, match="'gradient' takes no references, and --background gives some"):
        plan(home, method="gradient", background=str(home / "tiny"))


def test_regression_is_known_and_segmenters_are_refused(home: Path) -> None:
    assert not plan(home).regression and plan(home, "numbers", method="gradient").regression
    with pytest.raises(UsageError, match="is a segmenter, and explain takes classifiers"):
        plan(home, "masks")
