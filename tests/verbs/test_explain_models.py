"""``explain`` on models of every kind: pipelines, exclusive classes, numbers, and networks of the user's."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.compute import choose_compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import UsageError
from cxrshort.models import checkpoint, factory, pipeline
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.predictions import predict, unseen_fold
from cxrshort.models.sources.opening import open_model
from cxrshort.results import Facts, Result, Table
from cxrshort.verbs.explain import explain

from ..training.tiny import tiny_manifest, tree, write_dataset

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
LABELS = ("COVID-19", "Edema")


def described(kind: str, architecture: str, labels: tuple[str, ...], **recipe: str):
    description = Description(kind, architecture, labels, InputSpec(32), recipe=recipe)
    return factory.build_model(description, seed=0).eval(), description


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the dataset ``tiny`` and untrained models of it: ``pipeline``, ``classes``, ``numbers``."""
    folder = tmp_path_factory.mktemp("explain")
    manifest = tiny_manifest(folder / "tiny").assign(mask_row=range(48))
    write_dataset(folder / "tiny", manifest, signal=30)
    masks = np.zeros((48, 32, 32), np.uint8)
    masks[:, 12:28, 4:28] = 1
    np.save(folder / "tiny" / "masks.npy", masks)
    segmenter = described("segmenter", "unet-small", ("lungs",), task="masks")
    classifier = described("classifier", "small-cnn", LABELS, task="multilabel")
    models = {
        "pipeline": pipeline.join_pipeline(segmenter, classifier, background="noise", threshold=0.5, size=32),
        "classes": described("classifier", "small-cnn", (*LABELS, "Mass"), task="multiclass"),
        "numbers": described("classifier", "small-cnn", LABELS, task="regression"),
    }
    for name, (model, description) in models.items():
        (folder / name).mkdir()
        checkpoint.save_model(model, folder / name / "model.safetensors", description=description)
    return folder


def run(home: Path, out: Path, model: str, **options: object) -> Result:
    name = model if ":" in model else str(home / model)
    few = {"references": 5, "settings": ["samples=8"]} if "method" not in options else {}
    return explain(name, dataset=str(home / "tiny"), out=out, **few, **CPU, **options)  # type: ignore[arg-type]


def columns_without_sums(folder: Path) -> bool:
    names = set(pd.read_csv(folder / "maps.csv"))
    return {"logit", "share.lungs", "cluster"} <= names and not {"sum", "error", "share_se.lungs"} & names


def logits(home: Path, name: str) -> pd.Series:
    """Return what ``evaluate`` takes for the log-odds of COVID-19, in the order of the fold."""
    compute = choose_compute("cpu", precision="fp32", threads=1)
    model = open_model(str(home / name), compute)
    fold = unseen_fold(model.reference, load_dataset(str(home / "tiny")), "test")
    return predict(model, fold, compute)["logit.COVID-19"]


@pytest.mark.parametrize("name", ["pipeline", "classes"])
def test_logits_of_pipelines_and_exclusive_classes_are_those_of_evaluate(home: Path, tmp_path: Path, name: str) -> None:
    result = run(home, tmp_path / "out", name)
    table = pd.read_csv(tmp_path / "out" / "maps.csv")
    np.testing.assert_allclose(table["logit"], logits(home, name), atol=1e-5)
    assert np.isfinite(np.load(tmp_path / "out" / "maps.npy")).all() and table["error"].notna().all()
    visible = pd.DataFrame(result.summary["visible"])
    assert len(visible) == 4 and visible["auc"].notna().all() and (visible["label"] == "COVID-19").all()
    positive = (table["target"] == 1).to_numpy()
    wins = np.sign(table["logit"][positive].to_numpy()[:, None] - table["logit"][~positive].to_numpy())
    np.testing.assert_allclose(visible["whole"], (wins.mean() + 1) / 2)
    assert len(result.verdicts) == 15 and result.summary["localisation"][0]["region"] == "lungs"


def test_numbers_have_maps_and_shares_and_no_classes(home: Path, tmp_path: Path) -> None:
    result = run(home, tmp_path / "out", "numbers", method="gradient", sanity=True, images=6)
    assert set(result.verdicts) == {"not testable"} and {row["class"] for row in result.summary["shares"]} == {"all"}
    note = "no AUC of the border or the lungs alone: the model predicts a number, and an image has no class"
    assert note in result.notes and result.summary["visible"] == result.summary["localisation"] == []
    assert not {"visible.csv", "localisation.csv"} & set(tree(tmp_path / "out"))
    assert columns_without_sums(tmp_path / "out") and result.summary["adding_up"] == {}
    reasons = {check["check"]: check["reason"] for check in result.summary["sanity"]["COVID-19"]["checks"]}
    assert reasons["randomisation"] == "6 images have a map that is neither zero nor broken, 10 are needed"


FOREIGN = """
import torch

class Constant(torch.nn.Module):
    def forward(self, images):
        return 0 * images.mean((1, 2, 3))[:, None] + 1

class Untaught(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, images):
        return images[:, :, :16, :16].mean((1, 2, 3))[:, None] + 0 * self.layer(images[:, 0, 0, :1])

class Transformer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        from torchvision.models import VisionTransformer
        torch.manual_seed(0)
        self.network = VisionTransformer(32, 8, 1, 2, 8, 8, num_classes=1).eval()
        self.network.heads.head.reset_parameters()

    def forward(self, images):
        return self.network(images.expand(-1, 3, -1, -1))

class Deaf(torch.nn.Module):
    @torch.no_grad()
    def forward(self, images):
        return images[:, :, :16, :16].mean((1, 2, 3))[:, None]
"""


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module with networks of the user's."""
    (tmp_path / "explained_networks.py").write_text(FOREIGN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "explained_networks", raising=False)
    return "py:explained_networks:{}?labels=COVID-19&size=32&range=0..1"


def test_constant_model_is_not_testable_and_says_why(home: Path, tmp_path: Path, foreign: str) -> None:
    result = run(home, tmp_path / "out", foreign.format("Constant"), images=6)
    assert {row["verdict"] for row in result.summary["findings"]} == {"not testable"}
    whys = {row["why"] for row in result.summary["findings"]}
    assert whys == {"the finding may lie there", "every map is zero: the logit does not depend on the image"}
    assert "6 of 6 maps of COVID-19 are zero everywhere and have no share" in result.notes
    assert any(note.startswith("no clusters of COVID-19: ") for note in result.notes)
    assert {"maps.png", "mean-maps.png"} < set(tree(tmp_path / "out")) and "shares.png" not in tree(tmp_path / "out")


def test_maps_that_fail_are_said_to_fail_beside_every_number(home: Path, tmp_path: Path, foreign: str) -> None:
    result = run(home, tmp_path / "out", foreign.format("Untaught"), method="gradient-x-input", sanity=True)
    caution = "maps fail randomisation"
    assert result.summary["sanity"]["COVID-19"]["caution"] == caution
    assert result.summary["separation"]["COVID-19"]["caution"] == caution
    facts = next(dict(block.pairs) for block in result.tables if isinstance(block, Facts))
    assert facts["maps of COVID-19"].endswith(f" (caution: {caution})")
    for name in ("findings", "shares", "maps", "most-driven", "localisation"):
        assert set(pd.read_csv(tmp_path / "out" / f"{name}.csv")["caution"]) == {caution}
    visible = pd.read_csv(tmp_path / "out" / "visible.csv")  # rests on no map
    assert not visible["caution"].astype(str).str.startswith("maps").any()
    assert result.notes[0].startswith("COVID-19: the maps fail the check of randomisation, so that they hardly depend")
    titles = [block.title for block in result.tables if isinstance(block, Table)]
    assert [title.endswith(f"(caution: {caution})") for title in titles] == [False, True, True, True, False, True]


def test_lrp_explains_a_vision_transformer(home: Path, tmp_path: Path, foreign: str) -> None:
    result = run(home, tmp_path / "out", foreign.format("Transformer"), method="lrp", images=6)
    maps = np.load(tmp_path / "out" / "maps.npy")
    assert np.isfinite(maps).all() and (np.abs(maps).reshape(len(maps), -1).sum(1) > 0).all()
    assert {row["class"] for row in result.summary["shares"]} == {"negative", "positive"}


def test_model_without_gradients_is_refused_and_occlusion_explains_it(home: Path, tmp_path: Path, foreign: str) -> None:
    model = foreign.format("Deaf")
    with pytest.raises(UsageError) as caught:
        run(home, tmp_path / "out", model)
    error = caught.value
    assert error.message == f"'{model}' has no gradients, which 'expected-gradients' needs"
    assert error.hint == "--method occlusion explains any model"
    run(home, tmp_path / "occlusion", model, method="occlusion")
    assert columns_without_sums(tmp_path / "occlusion")
    maps = np.load(tmp_path / "occlusion" / "maps.npy")
    assert np.abs(maps[:, 20:, 20:]).max() == 0 < np.abs(maps[:, :14, :14]).max()
