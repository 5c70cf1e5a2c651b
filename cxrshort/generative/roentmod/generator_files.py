"""Where the parts of an image generator lie: a folder as diffusers writes it, parts of other folders, or the hub.

A name is a folder of this machine unless the user allows the Hugging Face hub, so that a mistyped path never goes to
the network. Weights are read from safetensors files alone; pickled ones (``.bin``) are refused.

What would invalidate a comparison of edits: parts of which nobody knows what they were. So every file that is read is
hashed, and parts from the hub say their revision.
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.files import sha256

INDEX, CONFIG, SCHEDULER_CONFIG = "model_index.json", "config.json", "scheduler_config.json"
PARTS = ("unet", "vae", "text_encoder", "tokenizer")
"""Folders of a diffusers pipeline that an editor reads, each of which another folder or hub id can replace."""
REQUEST = (
    "RoentGen's weights are requested at https://github.com/StanfordMIMI/RoentGen (for people with access to "
    "MIMIC-CXR); RadEdit's lie at https://huggingface.co/microsoft/radedit"
)
_WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
_VARIANTS = (None, "fp16", "bf16")
_PICKLED = ("*.bin", "*.ckpt", "*.pt", "*.pth")
_CLASSES = {"unet": "diffusers.UNet2DConditionModel", "vae": "diffusers.AutoencoderKL"}
_TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",))
_TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "vocab.txt"),
    *("special_tokens_map.json", "added_tokens.json"),
)
_OPTIONS = {part: f"--{part.replace('_', '-')}" for part in PARTS}


@dataclass(frozen=True)
class Part:
    """Say where a part of a generator lies.

    Args:
        name: one of `PARTS`.
        folder: that holds its files.
        source: the folder or hub id as the user named it.
        config: the content of its ``config.json``; nothing for a tokenizer.
        files: that are read, in order of their names.
        variant: of the weights' file name, such as ``fp16``.
        revision: the commit of the hub's repository, "" for a folder.
    """

    name: str
    folder: Path
    source: str
    config: Mapping[str, Any]
    files: tuple[Path, ...]
    variant: str | None = None
    revision: str = ""

    def checksums(self) -> dict[str, str]:
        """Return the SHA-256 of each file by its name."""
        return {path.name: sha256(path) for path in self.files}

    def record(self) -> dict[str, Any]:
        """Return what ``run.json`` says of the part: source, revision, the checksums of its files."""
        return {
            "source": self.source,
            **({"revision": self.revision} if self.revision else {}),
            "files": self.checksums(),
        }


def identify(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a text that depends on the files of parts alone, not on where they lie.

    Example:
        >>> identify({"vae": {"source": "a", "files": {"config.json": "0f"}}}) == identify(
        ...     {"vae": {"source": "b", "files": {"config.json": "0f"}}}
        ... )
        True
    """
    files = {name: record["files"] for name, record in records.items()}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class GeneratorFiles:
    """Hold the parts of a generator, and what its folder says of its noise.

    Args:
        parts: by name, all of `PARTS`.
        scheduler: the content of ``scheduler_config.json``; None where the folder has none.
    """

    parts: Mapping[str, Part]
    scheduler: Mapping[str, Any] | None


def find_generator(
    generator: str | None, replacements: Mapping[str, str | None], *, hub: bool = False
) -> GeneratorFiles:
    """Return where the parts of a generator lie.

    Args:
        generator: a folder as diffusers writes it, or a hub id; of its parts, those that are replaced may be missing.
            None where all are replaced.
        replacements: by name of a part, ``FOLDER`` or ``FOLDER:SUBFOLDER`` (or a hub id in place of the folder) that
            takes its place; the part itself or a pipeline that has it.
        hub: whether names may be ids of the Hugging Face hub, which are then fetched.

    Raises:
        UsageError: there is no generator, and a part is not named.
        MissingInputError: a folder is not there, or cannot be fetched.
        DataError: it is no pipeline, lacks a part, or its weights are pickled.
    """
    if not hub:
        _stay_offline()
    parts = {
        name: _replacing_part(name, text, hub=hub) for name in PARTS if (text := replacements.get(name)) is not None
    }
    scheduler = None
    if generator is not None:
        folder, revision = _locate(generator, hub=hub)
        _check_pipeline(folder, generator)
        for name in PARTS:
            if name not in parts and (folder / name).is_dir():
                parts[name] = _part(name, folder / name, source=f"{generator}:{name}", revision=revision)
        path = folder / "scheduler" / SCHEDULER_CONFIG
        scheduler = _read(path) if path.is_file() else None
    _check_complete(parts, generator)
    return GeneratorFiles({name: parts[name] for name in PARTS}, scheduler)


def _stay_offline() -> None:
    """Keep the hub's library from the network; it reads the variable once, when it is first imported."""
    if "huggingface_hub" not in sys.modules:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


def _locate(name: str, *, hub: bool, part: str = "") -> tuple[Path, str]:
    """Return the folder of a name, and its revision where it is the hub's."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder, ""
    if folder.exists():
        raise DataError(
            f"'{name}' is a file, and a generator is a folder as diffusers writes it",
            "diffusers makes one of a checkpoint file: StableDiffusionPipeline.from_single_file(FILE)"
            ".save_pretrained(FOLDER)",
        )
    is_on_hub = len(folder.parts) == 2 and not folder.is_absolute() and not name.startswith((".", "~"))
    if hub and is_on_hub:
        return _fetch(name, part=part)
    hint = f"give a folder, or --hub to fetch '{name}' from the Hugging Face hub" if is_on_hub else REQUEST
    raise MissingInputError(f"'{name}' does not exist", hint)


def _fetch(name: str, *, part: str) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, allow_patterns=_patterns(part)))
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MissingInputError(
            f"'{name}' could not be fetched ({reason})",
            f"fetch https://huggingface.co/{name} elsewhere and give its folder",
        ) from error
    return folder, folder.name


def _patterns(part: str) -> list[str]:
    """Return which files of the hub are read: not the pickled ones, nor the checkpoints beside the folders."""
    patterns = [INDEX, f"scheduler/{SCHEDULER_CONFIG}"] if not part else list(_files_of(part))
    for name in (part,) if part else PARTS:
        patterns += [f"{name}/{pattern}" for pattern in _files_of(name)]
    return patterns


def _files_of(part: str) -> tuple[str, ...]:
    if part == "tokenizer":
        return _TOKENIZER_FILES
    stem = _WEIGHTS[part]
    return (CONFIG, f"{stem}.safetensors", f"{stem}.safetensors.index.json", f"{stem}-*.safetensors")


def _check_pipeline(folder: Path, generator: str) -> None:
    """Refuse a folder that holds nothing of a pipeline, or another kind of pipeline."""
    if not any((folder / name).exists() for name in (INDEX, *PARTS)):
        raise DataError(
            f"'{generator}' is not a diffusers pipeline: it has neither {INDEX} nor the folders {_join(PARTS)}",
            REQUEST,
        )
    index = _read(folder / INDEX) if (folder / INDEX).is_file() else {}
    if index and "unet" not in index:
        raise DataError(
            f"'{generator}' is a pipeline of the kind '{index.get('_class_name')}', which has no U-Net",
            "give a Stable Diffusion 1.x or 2.x pipeline, as RoentGen is",
        )


def _check_complete(parts: Mapping[str, Part], generator: str | None) -> None:
    missing = [name for name in PARTS if name not in parts]
    if not missing:
        return
    hint = f"name the folder of each: {' '.join(f'{_OPTIONS[name]} FOLDER' for name in missing)}"
    if missing == ["vae", "text_encoder", "tokenizer"]:
        hint += (
            "; for RadEdit these are stabilityai/sdxl-vae and, for the last two, microsoft/BiomedVLP-BioViL-T on the "
            "Hugging Face hub"
        )
    if generator is None:
        raise UsageError(
            f"{_OPTIONS[missing[0]]} is missing: without --generator every part is named by itself",
            f"--generator names the folder of a whole pipeline; {REQUEST}",
        )
    raise DataError(
        f"'{generator}' is not a whole diffusers pipeline: it has no {_join(missing)}", f"{hint}; {REQUEST}"
    )


def _replacing_part(name: str, text: str, *, hub: bool) -> Part:
    """Return a part that ``FOLDER``, ``FOLDER:SUBFOLDER`` or a hub id in their place names."""
    base, _, subfolder = text.rpartition(":")
    if Path(text).expanduser().exists() or not base:
        base, subfolder = text, ""
    folder, revision = _locate(base, hub=hub, part=name)
    if subfolder:
        inside = folder / subfolder
    else:
        inside = folder / name if (folder / name).is_dir() else folder
    if not inside.is_dir():
        raise MissingInputError(f"'{base}' has no folder '{subfolder}'", f"name the folder of the {_words(name)}")
    return _part(name, inside, source=text, revision=revision)


def _part(name: str, folder: Path, *, source: str, revision: str) -> Part:
    if name == "tokenizer":
        if not any(all((folder / file).is_file() for file in files) for files in _TOKENIZERS):
            raise DataError(
                f"'{folder}' has no tokenizer: neither tokenizer.json, nor vocab.json and merges.txt, nor vocab.txt",
                f"{_OPTIONS[name]} names another",
            )
        config: dict[str, Any] = {}
        variant, files = None, [folder / file for file in _TOKENIZER_FILES if (folder / file).is_file()]
    else:
        if not (folder / CONFIG).is_file():
            raise DataError(f"'{folder}' has no {CONFIG}", f"{_OPTIONS[name]} names another {_words(name)}")
        config = _read(folder / CONFIG)
        variant, weights = _weights(name, folder)
        files = [folder / CONFIG, *weights]
    return Part(name, folder, source, config, tuple(sorted(files)), variant, revision)


def _weights(name: str, folder: Path) -> tuple[str | None, list[Path]]:
    """Return the variant of a part's weights and their files, in one piece or cut by an index."""
    stem = _WEIGHTS[name]
    for variant in _VARIANTS:
        ending = f"{variant}." if variant else ""
        if (folder / f"{stem}.{ending}safetensors").is_file():
            return variant, [folder / f"{stem}.{ending}safetensors"]
        index = folder / f"{stem}.safetensors.index.{ending}json"
        if index.is_file():
            names = sorted(set(_read(index).get("weight_map", {}).values()))
            if absent := [piece for piece in names if not (folder / piece).is_file()]:
                raise DataError(f"'{folder}' lacks {len(absent)} of {len(names)} files of its weights: {absent[0]}")
            return variant, [index, *(folder / piece for piece in names)]
    if pickled := sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern)):
        raise DataError(
            f"'{folder}' has its weights in '{pickled[0]}' alone, a pickled file, which could run any program",
            f"convert it once, where you trust it: {_conversion(name, folder)}",
        )
    raise DataError(f"'{folder}' has no weights: no {stem}.safetensors", f"fetch them into that folder; {REQUEST}")


def _conversion(name: str, folder: Path) -> str:
    """Return the command that writes weights as safetensors beside the pickled ones."""
    module, _, kind = _CLASSES.get(name, "transformers.AutoModel").rpartition(".")
    if name == "text_encoder" and str(_read(folder / CONFIG).get("model_type", "")).startswith("clip"):
        kind = "CLIPTextModel"
    return f"python -c \"from {module} import {kind} as K; K.from_pretrained('{folder}').save_pretrained('{folder}')\""


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"'{path}' cannot be read as JSON", "fetch it again") from error
    if not isinstance(content, dict):
        raise DataError(f"'{path}' does not hold a JSON object", "fetch it again")
    return content


def _join(names: Sequence[str]) -> str:
    return ", ".join(f"{name}/" for name in names)


def _words(name: str) -> str:
    return {"unet": "U-Net", "vae": "VAE"}.get(name, name.replace("_", " "))
