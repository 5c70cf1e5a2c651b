"""Show what is installed, what the machine offers, and which audits a model and a dataset allow."""

import os
import platform
from collections.abc import Callable, Mapping
from importlib import metadata, util
from pathlib import Path
from typing import Any

from cxrshort import __version__, contention, forecasts, places, runs
from cxrshort import manifest as manifests
from cxrshort.compute import choose_compute
from cxrshort.dataset import REGIONS, Dataset, load_dataset
from cxrshort.errors import CxrshortError
from cxrshort.generative.cyclegan.audit.edits import check_size
from cxrshort.generative.cyclegan.audit.images import FROM, TO, choose_images
from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.models.schema import CYCLEGAN
from cxrshort.models.sources import opening
from cxrshort.models.sources.foreign import is_foreign
from cxrshort.results import Facts, Result, Text

REQUIRED = (
    *("torch", "torchvision", "numpy", "pandas", "pydicom", "scikit-learn", "statsmodels", "captum"),
    *("diffusers", "transformers"),
)
EXTRAS = {
    "timm": ("timm", "architectures timm:NAME"),
    "txrv": ("torchxrayvision", "models txrv:NAME"),
    "onnx": ("onnxruntime", "models in ONNX files"),
    "dask": ("distributed", "build-dataset --scheduler"),
    "parquet": ("pyarrow", "manifests and tables as .parquet"),
    "tensorboard": ("tensorboard", "train --tensorboard"),
}
"""Optional parts: the distribution, and what needs it."""


def doctor(model: str | None = None, *, dataset: str | None = None, device: str = "auto") -> Result:
    """Return what is installed, what the machine offers, and which audits are possible.

    Args:
        model: a model file, run folder or model trained elsewhere; None leaves out what needs one.
        dataset: a dataset folder, manifest or name; None leaves out what needs one.
        device: as in :func:`cxrshort.compute.choose_compute`.

    Raises:
        MissingInputError: the model or the dataset is not there.
        DataError: one of them cannot be read.
    """
    described = None if model is None else _read_description(opening.expand_name(model)[0])
    data = load_dataset(dataset) if dataset is not None else None
    about = None if described is None else _describe_model(model or "", described)
    summary = {
        "versions": {"cxrshort": __version__, "python": platform.python_version(), **_versions(REQUIRED)},
        "extras": [_extra(name, *entry) for name, entry in EXTRAS.items()],
        "machine": _machine(device),
        "model": about,
        "dataset": None if data is None else _describe_dataset(data),
        "audits": _audits(model or "", described, data),
    }
    return Result(summary, _tables(summary), notes=about.get("diagnosis", []) if about else [], kind="doctor")


def _read_description(name: str) -> Description:
    """Return what a model is; a cyclegan too, which no verb opens as a classifier."""
    description = None if is_foreign(name) else checkpoint.read_description(Path(name))
    if description is not None and description.kind == CYCLEGAN:
        return description
    return opening.describe_model(name).description


def _tables(summary: Mapping[str, Any]) -> list[Facts | Text]:
    """Return what people see: versions, optional packages, the machine, the model, the dataset, the audits."""
    extras = [(row["name"], _describe_extra(row)) for row in summary["extras"]]
    files = [[(title, _describe_input(summary[title]))] for title in ("model", "dataset") if summary[title]]
    audits = [("yes" if row["possible"] else "no", _describe_audit(row)) for row in summary["audits"]]
    versions = list(summary["versions"].items())
    shown: list[Facts | Text] = []
    for pairs in (versions, extras, _describe_machine(summary["machine"]), *files):
        shown += [Facts(pairs), Text("")]
    return [*shown, Facts(audits)]


def _describe_extra(row: Mapping[str, str]) -> str:
    return f"{row['version']}, for {row['purpose']}" if row["version"] else f"{row['install']}, for {row['purpose']}"


def _describe_machine(machine: Mapping[str, Any]) -> list[tuple[str, str]]:
    load = f"other processes use {machine['load']:.1f} of {machine['cores']} cores"
    if machine["busy"]:
        load += (
            f", which slows training down; with --threads {machine['free_cores']} fewer threads wait for each other; "
            "in fp32 GOMP_SPINCOUNT=1000 helps too, which train and evaluate set"
        )
    return [
        ("device", machine["device"]),
        ("precision", machine["precision"]),
        ("threads", str(machine["threads"])),
        ("load", load),
        ("disk", f"{forecasts.size_text(machine['disk_free_mib'])} free"),
    ]


def _describe_input(facts: Mapping[str, Any]) -> str:
    """Return what is to be said of a model or a dataset, in one line."""
    shown = {"name", "kind", "architecture", "rows", "splits"}
    shown -= {"architecture"} if facts.get("architecture") == facts.get("kind") else set()
    parts = [f"{key.replace('_', ' ')} {value}" for key, value in facts.items() if key in shown and value != ""]
    if facts.get("trained_on"):
        parts.append(f"trained on {facts['trained_on']}, replicate {facts['replicate']}")
    if "masks" in facts:
        parts.append("with masks" if facts["masks"] else "without masks")
    if "sides" in facts:
        sizes = f"images of {facts['size']} x {facts['size']}, width {facts['width']}, blocks {facts['blocks']}"
        return ", ".join([*parts, sizes, f"from '{facts['sides']['from']}' to '{facts['sides']['to']}'"])
    return ", ".join([*parts, f"labels: {', '.join(facts['labels'])}"])


def _describe_audit(row: Mapping[str, Any]) -> str:
    missing = f"\nmissing: {'; '.join(row['missing'])}" if row["missing"] else ""
    return f"{row['audit']}: {row['command']}{missing}"


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    installed = {}
    for name in names:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = "not installed"
    return installed


def _extra(name: str, distribution: str, purpose: str) -> dict[str, str]:
    version = _versions((distribution,))[distribution]
    absent = version == "not installed" and util.find_spec(distribution) is None
    package = distribution if name == "tensorboard" else f"'cxrshort[{name}]'"
    return {
        "name": distribution,
        "version": "" if absent else version,
        "purpose": purpose,
        "install": f"pip install {package}" if absent else "",
    }


def _machine(device: str) -> dict[str, Any]:
    compute = choose_compute(device)
    load = contention.look() or contention.Load(os.getloadavg()[0], contention.cores())
    return {
        "device": compute.device,
        "precision": compute.precision,
        "threads": compute.threads,
        "cores": load.cores,
        "free_cores": load.free,
        "load": round(load.others, 2),
        "busy": load.crowded,
        "disk_free_mib": forecasts.free_disk_mib(places.datasets_root()),
    }


def _describe_model(name: str, description: Description) -> dict[str, Any]:
    facts = _describe_cyclegan(name, description) if description.kind == CYCLEGAN else {}
    return {
        "name": name,
        "kind": description.kind,
        "architecture": description.architecture,
        "trained_on": description.dataset,
        "replicate": description.replicate,
        "labels": list(description.labels),
        **facts,
    }


def _describe_cyclegan(name: str, description: Description) -> dict[str, Any]:
    """Return the sides of a cyclegan, its sizes, and what its run folder says of the training."""
    summary = runs.record_of(checkpoint.locate_model(name).parent / runs.DONE).get("summary", {})
    return {
        "sides": dict(zip(("from", "to"), description.labels, strict=True)),
        "size": description.spec.size,
        "width": description.recipe["width"],
        "blocks": description.recipe["blocks"],
        "diagnosis": [str(sentence) for sentence in summary.get("diagnosis", [])],
    }


def _describe_dataset(data: Dataset) -> dict[str, Any]:
    return {
        "name": data.name,
        "rows": len(data.manifest),
        "splits": len(manifests.split_columns(data.manifest)),
        "labels": data.labels,
        "masks": _has_masks(data),
        "regions": _has_regions(data),
    }


Check = Callable[[str, Description | None, Dataset | None], list[str]]
"""What is missing for an audit; nothing where it can be run."""


def _audits(name: str, description: Description | None, data: Dataset | None) -> list[dict[str, Any]]:
    rows = []
    for audit, (command, check) in AUDITS.items():
        missing = check(name, description, data)
        rows.append({"audit": audit, "command": command, "possible": not missing, "missing": missing})
    return rows


def _scorable(name: str, description: Description | None, data: Dataset | None) -> list[str]:
    """Return what stands in the way of scoring the dataset's test fold."""
    if description is None or data is None:
        return [
            requirement for requirement, value in (("a MODEL", description), ("--dataset D", data)) if value is None
        ]
    if description.kind == CYCLEGAN:
        return ["a classifier"]
    missing = []
    try:
        checkpoint.check_pixels(name, description, dataset=data.name, pixels=data.recipe)
        fold = data.fold("test", replicate=description.replicate)
        if seen := checkpoint.trained_on(description, fold.manifest["person_id"]):
            missing.append(f"patients of its own: the model was trained on {seen} of the test fold")
    except CxrshortError as error:
        return [error.message]
    if "cache" not in data.manifest:
        missing.append("images: the dataset was built with --metadata-only")
    if description.kind == "segmenter":
        return [*missing, *([] if _has_masks(data) else ["masks of the dataset, which a segmenter is compared with"])]
    shared = [label for label in description.labels if label in data.labels]
    if not shared and description.recipe.get("task") != "regression":
        missing.append("a label that both have")
    elif not any(fold.manifest[label].isin([0.0]).any() and fold.manifest[label].eq(1).any() for label in shared):
        missing.append("a label with both classes in the test fold")
    return missing


def _comparable(name: str, description: Description | None, data: Dataset | None) -> list[str]:
    missing = _scorable(name, description, data)
    if description is None or data is None:
        return missing
    if description.kind in ("segmenter", CYCLEGAN):
        return ["a classifier"]
    own = [] if data.name != description.dataset else ["a dataset of another hospital than the training dataset"]
    return [*missing, *own]


def _explainable(name: str, description: Description | None, data: Dataset | None) -> list[str]:
    if description is not None and description.kind in ("segmenter", CYCLEGAN):
        return ["a classifier"]
    return _scorable(name, description, data)


def _maskable(name: str, description: Description | None, data: Dataset | None) -> list[str]:
    del name, description
    if data is None:
        return ["--dataset D"]
    return [] if _has_masks(data) else ["masks of every image: build-dataset --masks, or train --segmenter MODEL"]


def _groupable(name: str, description: Description | None, data: Dataset | None) -> list[str]:
    del name, description
    if data is None:
        return ["--dataset D"]
    columns = [column for column in ("repository", "view", "sex", "manufacturer") if column in data.manifest]
    varied = [column for column in columns if data.manifest[column].replace("", None).nunique() > 1]
    return [] if varied else ["a column with two values or more, such as view or sex"]


def _teachable(name: str, description: Description | None, data: Dataset | None) -> list[str]:
    if description is not None and description.kind in ("segmenter", CYCLEGAN):
        return ["a classifier"]
    missing = _scorable(name, description, data)
    masked = description is not None and description.kind == "classifier" and bool(description.background)
    if masked and data is not None and not _has_masks(data):
        missing.append("masks of every image: build-dataset --masks; or --segmenter MODEL")
    return missing


def _transformable(name: str, description: Description | None, data: Dataset | None) -> list[str]:
    """Return what stands in the way of transforming the dataset's test fold from one side to the other."""
    if description is None or data is None or description.kind != CYCLEGAN:
        wrong = description is None or description.kind != CYCLEGAN
        return [*(["a model of cyclegan train"] if wrong else []), *(["--dataset D"] if data is None else [])]
    sides = {FROM: description.labels[0], TO: description.labels[1]}
    if "cache" not in data.manifest:
        return ["images: the dataset was built with --metadata-only"]
    try:
        check_size(description.spec.size, data.name, data.pixels.image_shape[-2:])
        choose_images(data, {name: description}, split="test", expressions=sides, images=None, seed=0)
    except CxrshortError as error:
        return [error.message]
    return []


def _distinguishable(name: str, description: Description | None, data: Dataset | None) -> list[str]:
    if description is not None and description.kind == CYCLEGAN:
        return _transformable(name, description, data)
    return _scorable(name, description, data)


AUDITS: dict[str, tuple[str, Check]] = {
    "AUC with intervals, on unseen patients": ("evaluate MODEL --dataset D", _scorable),
    "generalization gap to another hospital": ("evaluate MODEL --dataset OWN --dataset D", _comparable),
    "training with masks of where evidence may lie": ("train --method rrr|gain|isnet, --background", _maskable),
    "training with groups": ("train --method group-dro|irm|pgi --group COLUMN", _groupable),
    "a student of the model's explanations": ("tea-distill --teacher MODEL --dataset D", _teachable),
    "attribution by region": ("explain MODEL --dataset D", _explainable),
    "exchange of markers and shoulders": ("swap-test MODEL --dataset D", _explainable),
    "counterfactual edits": ("roentmod stress-test MODEL --before D --after EDITS", _scorable),
    "what distinguishes two groups of images": ("cyclegan audit GENERATORS MODEL --dataset D", _distinguishable),
    "images of one group that look like another": (
        "cyclegan transform GENERATORS --dataset D --direction to",
        _transformable,
    ),
}
"""What can be asked of a model and a dataset, the command that does it, and what it needs."""


def _has_masks(data: Dataset) -> bool:
    return "mask_row" in data.manifest and bool(data.manifest["mask_row"].notna().all())


def _has_regions(data: Dataset) -> bool:
    return data.path is not None and Path(data.path.parent, REGIONS).is_file()
