"""Zero-shot classifiers by CLIP (Radford et al. 2021), from a folder that transformers saved.

``clip:FOLDER?labels=A,B&prompt=a photo of a {class}&temperature=10``. Each label, its underscores as spaces, stands in
place of ``{class}``; the text is embedded once, when the model is opened. Several prompts, separated by ``|``, are
averaged on the unit sphere. The logit of a class is scale / temperature times the cosine of image and text, the scale
being CLIP's own, 100 in OpenAI's weights; classes exclude each other. "CLIP's temperature parameter is set to 10"
(Bassi et al. 2025, DogsWithTies) is ``temperature=10`` whether it means the divisor or the scale itself, since 100 / 10
is 10.

Size, centre crop, mean and standard deviation are those of the folder's image processor. Images are made smaller or
larger bilinearly as for every model here; CLIP's own preprocessing is bicubic.

The image tower is a vision transformer: transformers has no CLIP of ResNets, such as the published teacher of
DogsWithTies. So there is no convolutional map, and Grad-CAM refuses it; relevance and gradients explain it. Gradients
times the image add up to almost nothing, since the cosine does not change along the embedding; relevance does not.

What would invalidate the numbers: prompts chosen on test images, and test images that CLIP was trained on, which nobody
outside can tell; ``trained-on`` says it where it is known.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.models.classifier import InputSpec
from cxrshort.models.networks.activations import QuickGELU
from cxrshort.models.sources.foreign import TRAINED_ON, Opened, wrap_network
from cxrshort.models.sources.options import CLASS, Options

CONFIG = "config.json"
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
"""By preference; transformers reads the second kind without running what is in it."""
TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_FURTHER = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "*.index.json")
_TEXTUAL = (CONFIG, *PROCESSORS, *TOKENIZERS[0], *TOKENIZERS[1], *_FURTHER)
_SAVED = "transformers writes it by save_pretrained of the CLIPProcessor"
_OLD_END = 2
"""The end of text in old configurations, in place of the token with the highest number."""


def open_clip(text: str) -> Opened:
    """Return the classifier of ``clip:FOLDER?labels=A,B``, see :mod:`cxrshort.models.sources.foreign`.

    Raises:
        UsageError: transformers is not installed, or an option makes no sense.
        MissingInputError: there is no such folder, and nothing of that name in the cache of the Hugging Face hub.
        DataError: the folder holds no CLIP model, or a part of it is missing or damaged.
    """
    options = Options.parse(text, allowed=("labels", "prompt", "temperature", "download", TRAINED_ON))
    labels, prompts, temperature = options.labels(), options.prompts(), options.positive("temperature", default=1.0)
    if len(labels) < 2:
        raise UsageError(
            f"'{options.name}' has one class, and zero-shot classes are compared with each other",
            f"add another, such as labels={labels[0]},normal",
        )
    transformers = _import_transformers(options.name)
    folder = locate_folder(options)
    _check_parts(folder)
    with _quiet(transformers), _as_data_error(folder):
        model = _load_model(transformers, folder)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        processor = transformers.CLIPImageProcessor.from_pretrained(folder, local_files_only=True).to_dict()
    spec = _input_spec(processor, model.config.vision_config.image_size, folder=folder)
    texts = [embed_texts(model, tokenizer, _fill(prompts, label), folder=folder) for label in labels]
    scale = float(model.logit_scale.detach().exp()) / temperature
    network = ZeroShot(model.vision_model, model.visual_projection, torch.stack(texts) * scale)
    classifier, description = wrap_network(network, options, labels=labels, spec=spec, file=None)
    return classifier, replace(description, recipe={**description.recipe, "task": "multiclass"})


def locate_folder(options: Options) -> Path:
    """Return the folder of a CLIP model: the one that the name says, or that of the hub's cache.

    Raises:
        MissingInputError: it is not there, or could not be fetched.
    """
    name = options.name.removeprefix("clip:")
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise DataError(f"'{name}' is a file", "name the folder of a CLIP model")
    is_on_hub = len(folder.parts) == 2 and not folder.is_absolute()
    if not name or not is_on_hub:
        raise MissingInputError(f"'{name}' does not exist", "give the folder of a CLIP model that transformers saved")
    return _hub_folder(name, download=options.flag("download"))


def _hub_folder(name: str, *, download: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        for weights in WEIGHTS:
            patterns = [*_TEXTUAL, weights]
            folder = Path(snapshot_download(name, allow_patterns=patterns, local_files_only=not download))
            if any(folder.glob(weights)):
                break
    except (OSError, ValueError) as error:
        if not download:
            raise MissingInputError(
                f"'{name}' does not exist", f"give a folder, or add download=yes to fetch '{name}' from the hub"
            ) from error
        reason = str(error).strip().splitlines()[0]
        raise MissingInputError(
            f"'{name}' could not be fetched ({reason})",
            f"fetch https://huggingface.co/{name} elsewhere and give its folder: clip:FOLDER",
        ) from error
    return folder


def clip_files(options: Options) -> list[Path]:
    """Return the files of a folder that a CLIP model is read from, in order of their names.

    Raises:
        MissingInputError: the folder is not there.
    """
    folder = locate_folder(Options(options.name, {}))
    weights = next((pattern for pattern in WEIGHTS if any(folder.glob(pattern))), WEIGHTS[0])
    return sorted({path for pattern in (*_TEXTUAL, weights) for path in folder.glob(pattern)})


def embed_texts(model: Any, tokenizer: Any, texts: Sequence[str], *, folder: Path) -> Tensor:
    """Return the mean of the unit embeddings of texts, of unit length itself, (D,).

    Raises:
        UsageError: a text is longer than the model reads.
        DataError: the tokens are not those of the model.
    """
    tokens = tokenizer(list(texts), padding=True, return_tensors="pt")
    ids, settings = tokens["input_ids"], model.config.text_config
    longest = settings.max_position_embeddings
    if ids.shape[1] > longest:
        raise UsageError(
            f"'{max(texts, key=len)}' has {ids.shape[1]} tokens, and '{folder}' reads {longest}",
            "shorten prompt= or labels=",
        )
    ends = (ids == settings.eos_token_id).any(1) | (settings.eos_token_id == _OLD_END)
    if int(ids.max()) >= settings.vocab_size or not bool(ends.all()):
        raise DataError(f"the tokenizer of '{folder}' is not that of its model", "fetch both from the same place")
    with torch.no_grad():
        pooled = model.text_model(input_ids=ids, attention_mask=tokens["attention_mask"]).pooler_output
        embeddings = functional.normalize(model.text_projection(pooled), dim=1)
        mean: Tensor = functional.normalize(embeddings.mean(0), dim=0)
    return mean


class ZeroShot(nn.Module):
    """Compare the embedding of an image with those of texts.

    Args:
        vision: the image tower; its quick GELUs are replaced by ones that explanations know.
        projection: of the image tower's output onto the space of the embeddings.
        texts: (L, D), the embeddings of the classes' texts times the scale of the logits.
    """

    def __init__(self, vision: nn.Module, projection: nn.Module, texts: Tensor) -> None:
        super().__init__()
        _replace_quick_gelus(vision)
        self.vision = vision
        self.projection = projection
        self.head = nn.Linear(texts.shape[1], len(texts), bias=False)
        self.head.weight = nn.Parameter(texts)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, L) of normalised images (N, 3, H, W)."""
        pooled = self.vision(pixel_values=images).pooler_output
        logits: Tensor = self.head(functional.normalize(self.projection(pooled), dim=1))
        return logits


def _replace_quick_gelus(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child).__name__ == "QuickGELUActivation":
                setattr(module, name, QuickGELU())


def _fill(prompts: Sequence[str], label: str) -> list[str]:
    return [prompt.replace(CLASS, label.replace("_", " ")) for prompt in prompts]


def _load_model(transformers: Any, folder: Path) -> Any:
    model, report = transformers.CLIPModel.from_pretrained(
        folder, local_files_only=True, output_loading_info=True, dtype=torch.float32, attn_implementation="sdpa"
    )
    if missing := sorted(report["missing_keys"]):
        raise DataError(
            f"'{folder}' lacks {len(missing)} tensors of its model, such as '{missing[0]}'", "fetch its weights again"
        )
    return model.eval()


def _check_parts(folder: Path) -> None:
    """Refuse a folder of another model, or one that lacks a part."""
    try:
        kind = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(
            f"'{folder}' holds no model of transformers: it has no readable {CONFIG}",
            "give the folder that save_pretrained of a CLIPModel wrote",
        ) from error
    if kind != "clip":
        raise DataError(f"'{folder}' holds a model of the type '{kind}', not 'clip'", "give the folder of a CLIP model")
    if not any((folder / name).is_file() for name in PROCESSORS):
        raise DataError(f"'{folder}' does not say how images are scaled: it has no {PROCESSORS[0]}", _SAVED)
    if not any(all((folder / name).is_file() for name in names) for names in TOKENIZERS):
        raise DataError(f"'{folder}' has no tokenizer: neither tokenizer.json nor vocab.json and merges.txt", _SAVED)
    if not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        raise DataError(f"'{folder}' has no weights: no model.safetensors", "fetch them into that folder")


def _input_spec(processor: dict[str, Any], image_size: int, *, folder: Path) -> InputSpec:
    """Return the input that an image processor makes of a square image."""
    resized, cropped = _side(processor["size"]), _side(processor["crop_size"])
    cropped = cropped if processor["do_center_crop"] else resized
    resized = resized if processor["do_resize"] else cropped
    if cropped != image_size or resized < cropped:
        raise DataError(
            f"'{folder}' makes images of {cropped} pixels out of {resized}, and its model takes {image_size}",
            f"correct {PROCESSORS[0]}",
        )
    white = 255 * processor["rescale_factor"] if processor["do_rescale"] else 255.0
    normalises = processor["do_normalize"]
    means, stds = (processor["image_mean"], processor["image_std"]) if normalises else ((0.0,) * 3, (1.0,) * 3)
    if len(means) != 3 or len(stds) != 3 or min(stds) <= 0:
        raise DataError(f"'{folder}' does not scale three channels", f"correct {PROCESSORS[0]}")
    return InputSpec(
        cropped,
        mean=tuple(mean / white for mean in means),
        std=tuple(std / white for std in stds),
        crop=cropped / resized,
    )


def _side(size: Any) -> int:
    """Return the shorter side of a size, as any version of transformers writes it."""
    sides = [int(side) for side in size.values() if side] if isinstance(size, dict) else [int(size)]
    return min(sides)


@contextlib.contextmanager
def _as_data_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors raise errors without a common ancestor
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"'{folder}' cannot be read as a CLIP model ({reason})", "fetch the folder again") from error


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep transformers from writing progress and warnings to the terminal."""
    logging = transformers.utils.logging
    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()


def _import_transformers(name: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UsageError(f"'{name}' needs transformers, which is not installed", "pip install transformers") from error
    return transformers
