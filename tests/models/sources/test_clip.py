"""Zero-shot classifiers against transformers' own computation, on a model of two layers with random weights."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cxrshort.attribution import gradient, lrp
from cxrshort.attribution.grad_cam import GRAD_CAM
from cxrshort.compute import Compute, choose_compute
from cxrshort.errors import CxrshortError, DataError, MissingInputError, UsageError
from cxrshort.models.embeddings import last_layers, score_with_features
from cxrshort.models.sources.clip import clip_files, open_clip
from cxrshort.models.sources.foreign import is_foreign, open_foreign
from cxrshort.models.sources.opening import describe_model, open_model
from cxrshort.models.sources.options import Options

from .tiny_clip import LONGEST, QUERY, SIZE, save_tiny_clip

CPU: Compute = choose_compute("cpu", precision="fp32", threads=1)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("clip") / "tiny"
    return folder, save_tiny_clip(folder)


@pytest.fixture
def folder(saved: tuple[Path, Any], tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    return Path(shutil.copytree(saved[0], tmp_path / "tiny"))


def draw(channels: int = 3, *, size: int = SIZE) -> Tensor:
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))


def refused(text: str) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        open_foreign(text)
    return caught.value


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}), encoding="utf-8")


def own_logits(folder: Path, model: Any, texts: list[str], images: Tensor) -> Tensor:
    """Return transformers' own logits of pictures in [0, 255], (N, L)."""
    import transformers

    tokens = transformers.AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    processor = transformers.CLIPImageProcessor.from_pretrained(folder)
    pictures = [image for image in images.mul(255).byte().permute(0, 2, 3, 1).numpy()]
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        logits: Tensor = model(**tokens, pixel_values=pixels).logits_per_image
    return logits


def test_logits_are_those_of_transformers_over_the_temperature(saved):
    folder, model = saved
    images = torch.round(draw() * 255) / 255
    texts = [f"a photo of a dog of the {label} breed" for label in ("beagle", "pug")]
    expected = own_logits(folder, model, texts, images)
    assert (expected[:, 0] - expected[:, 1]).abs().min() > 0.5
    classifier, description = open_clip(f"clip:{folder}?{QUERY}")
    torch.testing.assert_close(classifier(images), expected, rtol=1e-4, atol=1e-4)
    cooler, _ = open_clip(f"clip:{folder}?{QUERY}&temperature=10")
    torch.testing.assert_close(cooler(images), expected / 10, rtol=1e-4, atol=1e-4)
    assert (description.kind, description.labels) == ("classifier", ("beagle", "pug"))
    assert description.recipe == {"task": "multiclass"}
    assert not classifier.training


def test_several_prompts_are_averaged_on_the_sphere(saved):
    folder, model = saved
    images = torch.round(draw() * 255) / 255
    scale = model.logit_scale.exp().item()
    classifier, _ = open_clip(f"clip:{folder}?labels=pug,beagle&prompt=a {{class}} | the {{class}} dog")
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = []
    for label in ("pug", "beagle"):
        units = []
        for text in (f"a {label}", f"the {label} dog"):
            with torch.no_grad():
                pooled = model.text_model(**tokenizer([text], return_tensors="pt")).pooler_output
                embedding = model.text_projection(pooled)[0]
            units.append(embedding / embedding.norm())
        mean = (units[0] + units[1]) / 2
        rows.append(scale * mean / mean.norm())
    torch.testing.assert_close(classifier.network.network.head.weight.detach(), torch.stack(rows), rtol=1e-4, atol=1e-4)
    assert classifier(images).shape == (2, 2)


def test_default_prompt_is_that_of_clip(saved):
    folder, _ = saved
    default, _ = open_clip(f"clip:{folder}?labels=A,B")
    spelled, _ = open_clip(f"clip:{folder}?labels=A,B&prompt=a photo of a {{class}}")
    assert torch.equal(default(draw()), spelled(draw()))


def test_underscores_of_a_label_are_spaces_of_the_text(saved):
    texts = []
    for labels, prompt in (("Tibetan_Mastiff,pug", "a {class}"), ("Mastiff,pug", "a Tibetan {class}")):
        classifier, _ = open_clip(f"clip:{saved[0]}?labels={labels}&prompt={prompt}")
        texts.append(classifier.network.network.head.weight[0])
    torch.testing.assert_close(*texts)


def test_grey_images_are_replicated_and_all_sizes_are_taken(saved):
    classifier, _ = open_clip(f"clip:{saved[0]}?{QUERY}")
    grey = draw(1)
    torch.testing.assert_close(classifier(grey), classifier(grey.expand(-1, 3, -1, -1)))
    assert classifier(draw(1, size=50)).shape == (2, 2)


def test_scale_of_pixels_and_centre_are_those_of_the_folder(folder):
    change(
        folder / "preprocessor_config.json",
        image_mean=[0.1, 0.2, 0.3],
        image_std=[0.5, 0.25, 1.0],
        size={"shortest_edge": 2 * SIZE},
        rescale_factor=1 / 127.5,
    )
    spec = open_clip(f"clip:{folder}?{QUERY}")[0].spec
    assert (spec.size, spec.channels, spec.crop) == (SIZE, 3, 0.5)
    assert spec.mean == pytest.approx((0.05, 0.1, 0.15))
    assert spec.std == pytest.approx((0.25, 0.125, 0.5))
    change(folder / "preprocessor_config.json", do_normalize=False, do_resize=False, do_rescale=False)
    spec = open_clip(f"clip:{folder}?{QUERY}")[0].spec
    assert (spec.mean, spec.crop) == ((0.0,) * 3, 1.0)
    assert spec.std == pytest.approx((1 / 255,) * 3)


def test_processor_of_images_and_texts_in_one_file_is_read(folder):
    path = folder / "preprocessor_config.json"
    nested = {"processor_class": "CLIPProcessor", "image_processor": json.loads(path.read_text())}
    (folder / "processor_config.json").write_text(json.dumps(nested), encoding="utf-8")
    expected = open_clip(f"clip:{folder}?{QUERY}")[0].spec
    path.unlink()
    assert open_clip(f"clip:{folder}?{QUERY}")[0].spec == expected


def test_identity_is_of_the_content_and_not_of_the_place(saved, folder):
    here, there = f"clip:{saved[0]}?{QUERY}", f"clip:{folder}?{QUERY}"
    assert is_foreign(here)
    reference = describe_model(here)
    assert reference.model_id == describe_model(there).model_id
    assert describe_model(f"{there}&temperature=2").model_id != reference.model_id
    assert reference.outputs.name == "multiclass"
    assert [Path(name).name for name in reference.files] == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    change(folder / "preprocessor_config.json", image_mean=[0.1, 0.2, 0.3])
    assert describe_model(there).model_id != reference.model_id


def test_files_that_are_not_read_are_no_part_of_it(folder):
    name = f"clip:{folder}?{QUERY}"
    before = describe_model(name).model_id
    (folder / "README.md").write_text("text", encoding="utf-8")
    (folder / "pytorch_model.bin").write_bytes(b"no weights")
    assert describe_model(name).model_id == before
    assert "pytorch_model.bin" not in [path.name for path in clip_files(Options(f"clip:{folder}", {}))]


def test_weights_in_the_older_format_are_the_same_model(saved, folder):
    _, model = saved
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    older, _ = open_clip(f"clip:{folder}?{QUERY}")
    torch.testing.assert_close(older(draw()), open_clip(f"clip:{saved[0]}?{QUERY}")[0](draw()))


def test_features_are_the_embeddings_of_images(saved):
    model = open_model(f"clip:{saved[0]}?{QUERY}", CPU)
    layers = last_layers(model)
    logits, features = score_with_features(model.classifier, layers, Squares(SIZE), compute=CPU)
    assert (logits.shape, features.shape) == ((3, 2), (3, 6))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    texts = layers[0].weight.detach().numpy()
    np.testing.assert_allclose(features @ texts.T, logits, rtol=1e-4, atol=1e-5)


class Squares:
    """Hold three random images."""

    def __init__(self, side: int) -> None:
        self.images = np.random.default_rng(0).integers(0, 256, (3, side, side), dtype=np.uint8)
        self.image_shape = (side, side)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> np.ndarray:
        return self.images[indices]


def test_gradients_reach_the_image_and_opening_writes_nothing(saved, capfd):
    classifier, _ = open_clip(f"clip:{saved[0]}?{QUERY}")
    images = draw().requires_grad_()
    classifier(images)[:, 0].sum().backward()
    assert (images.grad.abs().amax((1, 2, 3)) > 0).all()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_relevance_adds_up_to_the_logit_where_no_bias_absorbs_it(tmp_path, activation):
    """The norm of the embedding is a constant: by its own gradient, a map of such a network adds up to 0."""
    save_tiny_clip(tmp_path / "tiny", biases=False, activation=activation)
    classifier, _ = open_clip(f"clip:{tmp_path / 'tiny'}?{QUERY}")
    network, images = classifier.network.network.double(), draw().double() - 0.5
    explained = lrp.explain(network, images, outputs=torch.tensor([0, 1]))
    torch.testing.assert_close(explained.maps.sum((1, 2, 3)), explained.logits.diagonal(), rtol=1e-8, atol=1e-8)
    assert explained.logits.diagonal().abs().min() > 0.1
    torch.testing.assert_close(explained.logits, network(images).detach())


def test_relevance_differs_from_gradients_and_leaves_the_model_as_it_was(saved):
    classifier, _ = open_clip(f"clip:{saved[0]}?{QUERY}")
    images, outputs = draw(1), torch.tensor([0, 1])
    before = classifier(images)
    maps = lrp.relevance(classifier, images, outputs=outputs)
    assert maps.shape == images.shape and bool(torch.isfinite(maps).all())
    slopes, _ = gradient.explain(classifier, images, score=lambda logits: logits.diagonal(), bn="eval")
    assert (maps - images * slopes).abs().sum() > 0.1 * maps.abs().sum()
    assert torch.equal(classifier(images), before)


def test_grad_cam_has_no_map_to_explain(saved):
    classifier, _ = open_clip(f"clip:{saved[0]}?{QUERY}")
    with pytest.raises(UsageError, match="'grad-cam' needs a convolutional map of more than one pixel"):
        GRAD_CAM(classifier, draw(1), torch.tensor([0, 1]))


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("labels=A", "'clip:tiny' has one class, and zero-shot classes are compared with each other",
         "add another, such as labels=A,normal"),
        ("labels=A,B&size=224", "'size' is not a known option of 'clip:tiny'", None),
        ("labels=A,B&prompt=a dog", "'prompt=a dog' does not say where the class stands",
         "write {class} in each prompt, such as prompt=a photo of a {class}"),
        ("labels=A,B&prompt={class}|", "'prompt={class}|' does not say where the class stands",
         "write {class} in each prompt, such as prompt=a photo of a {class}"),
        ("labels=A,B&temperature=0", "'temperature=0' is not a number above 0", "such as temperature=1"),
        ("prompt={class}", "'clip:tiny' does not say what its outputs are", "add labels=NAME,NAME"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(query, message, hint):
    error = refused(f"clip:tiny?{query}")
    assert isinstance(error, UsageError)
    assert error.message == message
    assert hint is None or error.hint == hint


def test_prompt_that_is_too_long_is_refused(folder):
    error = refused(f"clip:{folder}?labels=A,B&prompt={'x' * LONGEST} {{class}}")
    assert isinstance(error, UsageError)
    # A byte is a token, and so are the start, the end and the class.
    assert error.message == f"'{'x' * LONGEST} A' has {LONGEST + 3} tokens, and '{folder}' reads {LONGEST}"
    assert error.hint == "shorten prompt= or labels="


def test_missing_folder_is_refused(tmp_path):
    pytest.importorskip("transformers")
    error = refused(f"clip:{tmp_path / 'none'}?{QUERY}")
    assert isinstance(error, MissingInputError)
    assert error.message == f"'{tmp_path / 'none'}' does not exist"
    assert error.hint == "give the folder of a CLIP model that transformers saved"
    (tmp_path / "file").write_text("", encoding="utf-8")
    error = refused(f"clip:{tmp_path / 'file'}?{QUERY}")
    assert error.message == f"'{tmp_path / 'file'}' is a file"


def test_name_of_the_hub_is_fetched_only_where_that_is_said(monkeypatch, tmp_path):
    pytest.importorskip("transformers")
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    error = refused(f"clip:someone/clip-tiny?{QUERY}")
    assert isinstance(error, MissingInputError)
    assert error.message == "'someone/clip-tiny' does not exist"
    assert error.hint == "give a folder, or add download=yes to fetch 'someone/clip-tiny' from the hub"
    error = refused(f"clip:someone/clip-tiny?{QUERY}&download=yes")
    assert isinstance(error, MissingInputError)
    assert error.message.startswith("'someone/clip-tiny' could not be fetched (")
    assert error.hint == "fetch https://huggingface.co/someone/clip-tiny elsewhere and give its folder: clip:FOLDER"


def test_model_in_the_cache_of_the_hub_is_read_without_a_network(saved, monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    home, revision = tmp_path / "models--someone--clip-tiny", "a" * 40
    shutil.copytree(saved[0], home / "snapshots" / revision)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(revision, encoding="utf-8")
    cached = describe_model(f"clip:someone/clip-tiny?{QUERY}")
    assert cached.model_id == describe_model(f"clip:{saved[0]}?{QUERY}").model_id


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        ("config.json", "'{}' holds no model of transformers: it has no readable config.json"),
        ("preprocessor_config.json", "'{}' does not say how images are scaled: it has no preprocessor_config.json"),
        ("tokenizer.json", "'{}' has no tokenizer: neither tokenizer.json nor vocab.json and merges.txt"),
        ("model.safetensors", "'{}' has no weights: no model.safetensors"),
    ],
)
def test_folder_that_lacks_a_part_is_refused(folder, removed, message):
    (folder / removed).unlink()
    error = refused(f"clip:{folder}?{QUERY}")
    assert isinstance(error, DataError)
    assert error.message == message.format(folder)


def test_folder_of_another_model_is_refused(folder):
    change(folder / "config.json", model_type="bert")
    assert refused(f"clip:{folder}?{QUERY}").message == f"'{folder}' holds a model of the type 'bert', not 'clip'"


def test_damaged_weights_are_refused(folder):
    (folder / "model.safetensors").write_bytes(b"no weights")
    error = refused(f"clip:{folder}?{QUERY}")
    assert isinstance(error, DataError)
    assert error.message.startswith(f"'{folder}' cannot be read as a CLIP model (")


def test_weights_that_lack_a_tensor_are_refused(folder):
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    error = refused(f"clip:{folder}?{QUERY}")
    assert error.message == f"'{folder}' lacks 1 tensors of its model, such as 'visual_projection.weight'"


def test_image_processor_of_another_size_is_refused(folder):
    change(folder / "preprocessor_config.json", size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48})
    message = f"'{folder}' makes images of 48 pixels out of 48, and its model takes 32"
    assert refused(f"clip:{folder}?{QUERY}").message == message
    change(folder / "preprocessor_config.json", size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    change(folder / "preprocessor_config.json", image_std=[0.5, 0.0, 0.5])
    assert refused(f"clip:{folder}?{QUERY}").message == f"'{folder}' does not scale three channels"


def test_tokenizer_of_another_model_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = 7
    change(folder / "config.json", text_config=config["text_config"])
    assert refused(f"clip:{folder}?{QUERY}").message == f"the tokenizer of '{folder}' is not that of its model"


def test_missing_transformers_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    error = refused(f"clip:tiny?{QUERY}")
    assert isinstance(error, UsageError)
    assert error.message == "'clip:tiny' needs transformers, which is not installed"
    assert error.hint == "pip install transformers"
