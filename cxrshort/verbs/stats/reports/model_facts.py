"""Facts of trained models: architecture, software, settings, what chose the state, and where the model lies."""

from collections.abc import Callable, Mapping
from typing import Any

from cxrshort import files
from cxrshort.results import count_text
from cxrshort.verbs.stats.checklist.study import Study
from cxrshort.verbs.stats.reports.facts import Fact
from cxrshort.verbs.stats.run_folders import MODEL, RunFolder

_LIBRARIES = ("cxrshort", "python", "torch", "torchvision", "numpy", "scipy", "scikit-learn")
_SETTINGS = (
    "method",
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "schedule",
    "weight_decay",
    "augment",
    "precision",
    "device",
)
_READ_EMPTY = {
    "mask": "images without a label do not count in the loss of that label",
    "zero": "empty labels are read as 0",
}


def _for_models(study: Study, say: Callable[[RunFolder], str], *, proof: str, file: str = "run.json") -> list[Fact]:
    """Return what holds for each model; replicates that agree are one fact."""
    facts: dict[str, Fact] = {}
    for run in study.trainings:
        text = say(run)
        if text:
            facts.setdefault(text, Fact(text, run.source(file, proof)))
    return list(facts.values())


def model_description(study: Study) -> list[Fact]:
    """Return architecture, size and input of each model."""

    def say(run: RunFolder) -> str:
        own, spec = run.arguments, run.arguments.get("spec") or {}
        if not ({"kind", "architecture"} <= set(own) and {"size", "channels"} <= set(spec)):
            return ""
        size = f", {run.weights:,} weights and buffers" if run.weights else ""
        shape = f"{spec['size']} x {spec['size']} px, {spec['channels']} channels"
        outputs = len(run.summary.get("labels") or [])
        return f"{own['kind']} {own['architecture']}: input {shape}, {outputs} outputs{size}"

    return _for_models(study, say, proof="__metadata__", file=MODEL)


def model_outputs(study: Study) -> list[Fact]:
    """Return what the model puts out."""

    def say(run: RunFolder) -> str:
        labels = ", ".join(run.summary.get("labels") or [])
        return f"outputs are log-odds of: {labels}" if labels else ""

    return _for_models(study, say, proof="summary.labels")


def software(study: Study) -> list[Fact]:
    """Return the versions of the libraries."""

    def say(run: RunFolder) -> str:
        versions: Mapping[str, str] = run.record.get("versions") or {}
        listed = ", ".join(f"{name} {versions[name]}" for name in _LIBRARIES if name in versions)
        return f"libraries: {listed}" if listed else ""

    return _for_models(study, say, proof="versions")


def initialisation(study: Study) -> list[Fact]:
    """Return where the weights began."""

    def say(run: RunFolder) -> str:
        weights = run.arguments.get("weights")
        if weights is None:
            return ""
        start = "random initialisation" if weights == "none" else f"initialised with the weights {weights}"
        return f"{start}, seed {run.arguments.get('seed')}"

    return _for_models(study, say, proof="arguments.weights, arguments.seed")


def training_settings(study: Study) -> list[Fact]:
    """Return how models were trained."""

    def say(run: RunFolder) -> str:
        own = run.arguments
        if not set(_SETTINGS) <= set(own):
            return ""
        steps = f"epochs {own['epochs']}, batch size {own['batch_size']}"
        rate = f"{own['optimizer']} with learning rate {own['learning_rate']} ({own['schedule']} schedule)"
        device = f"{own['precision']} on {own['device']}"
        decay, augmentation = own["weight_decay"], own["augment"]
        return f"method {own['method']}, {steps}, {rate}, weight decay {decay}, augmentation {augmentation}, {device}"

    return _for_models(study, say, proof="arguments")


def development(study: Study) -> list[Fact]:
    """Return how many images trained and chose each model."""

    def say(run: RunFolder) -> str:
        images: Mapping[str, int] = run.summary.get("images") or {}
        if not images:
            return ""
        split = run.arguments.get("replicate")
        return f"split {split}: trained on {images['train']:,} images, state chosen on {images['val']:,} (val)"

    return _for_models(study, say, proof="summary.images")


def selection(study: Study) -> list[Fact]:
    """Return what chose the final model."""

    def say(run: RunFolder) -> str:
        chosen: Mapping[str, Any] = run.summary.get("selection") or {}
        if not chosen:
            return ""
        epoch = f" of epoch {chosen['epoch']}" if "epoch" in chosen else ""
        return f"the state{epoch} was chosen by {chosen.get('measure')} on the fold {chosen.get('split')}"

    return _for_models(study, say, proof="summary.selection")


def ensembling(study: Study) -> list[Fact]:
    """Return how many networks a model is."""

    def say(run: RunFolder) -> str:
        members = run.arguments.get("members")
        if members is None:
            return ""
        return "a single network" if members == 1 else f"{members} networks, combined by {run.arguments.get('combine')}"

    return _for_models(study, say, proof="arguments.members")


def missing_labels(study: Study) -> list[Fact]:
    """Return what training made of empty labels."""

    def say(run: RunFolder) -> str:
        reading = run.arguments.get("empty_labels")
        return _READ_EMPTY.get(str(reading), f"empty labels: {reading}") if reading else ""

    return _for_models(study, say, proof="arguments.empty_labels")


def imbalance(study: Study) -> list[Fact]:
    """Return what was done against rare classes."""

    def say(run: RunFolder) -> str:
        own = run.arguments
        if "class_weights" not in own:
            return ""
        done = [
            "classes weighted" if own["class_weights"] else "",
            f"batches balanced by {own['balance']}" if own.get("balance") else "",
            f"labels weighted ({own['label_weights']})" if own.get("label_weights") else "",
        ]
        return ", ".join(filter(None, done)) or "classes neither weighted nor balanced"

    return _for_models(study, say, proof="arguments.class_weights, arguments.balance")


def normalisation(study: Study) -> list[Fact]:
    """Return the constants that inputs are normalised by."""

    def say(run: RunFolder) -> str:
        spec: Mapping[str, Any] = run.arguments.get("spec") or {}
        if "mean" not in spec:
            return ""
        mean, deviation = (", ".join(f"{value:g}" for value in spec[name]) for name in ("mean", "std"))
        return f"inputs normalised by mean {mean} and standard deviation {deviation}"

    return _for_models(study, say, proof="arguments.spec")


def specification(study: Study) -> list[Fact]:
    """Return where models lie, with the hash of each."""
    return [
        Fact(f"file {run.name}/{MODEL}, SHA-256 {files.sha256(run.folder / MODEL)}", run.source(MODEL))
        for run in study.trainings
        if run.has(MODEL)
    ]


def computation(study: Study) -> list[Fact]:
    """Return how long trainings took."""
    facts = []
    for run in study.trainings:
        if run.is_dated:
            text = f"training of {run.name} took {run.seconds:,.0f} s on {run.arguments.get('device')}"
            facts.append(Fact(text, run.source(field="started, ended")))
    return facts


def commands(study: Study) -> list[Fact]:
    """Return the commands that made the study."""
    facts = []
    for run in study.folders.runs:
        words = (run.record.get("machine") or {}).get("command") or []
        if words:
            facts.append(Fact(f"`cxrshort {' '.join(map(str, words))}`", run.source(field="machine.command")))
    return facts


def run_counts(study: Study) -> list[Fact]:
    """Return how many runs of each kind there are."""
    counts: dict[str, int] = {}
    for run in study.folders.runs:
        if not run.is_series:
            counts[run.verb] = counts.get(run.verb, 0) + 1
    return [Fact(f"runs: {count_text(counts)}", "")] if counts else []
