"""Imports point down only, and verbs never import verbs."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "cxrshort"
LAYERS = (
    {"errors"},
    {"registry", "columns", "quantities"},
    {
        "json_files",
        "runs",
        "places",
        "settings",
        "results",
        "events",
        "compute",
        "contention",
        "distributed",
        "workers",
        "expressions",
        "tables",
        "forecasts",
        "files",
        "locks",
        "overwriting",
        "provenance",
    },
    {"manifest", "dataset", "targets", "regions", "images", "masks", "stats"},
    {"models", "datasets", "figures"},
    {"attribution", "interventions"},
    {"training"},
    {"generative", "report"},
    {"verbs"},
    {"cli"},
    {"__main__"},
)
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
FILES = {RANK["runs"], RANK["manifest"]}
"""Layers of single files, which may use what stands beside them; the others are rooms of their own."""
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(source: str) -> set[str]:
    """Return the full names of what a source imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return names


def breach(importer: tuple[str, ...], name: str) -> str:
    """Return why a module, given by its parts below the package, may not import a name; "" if it may."""
    if name.startswith("."):
        return "relative import"
    if importer[0] == "stats" and name.split(".")[0] == "torch":
        return "stats never import torch"
    target = name.split(".")[1:]
    if name.split(".")[0] != "cxrshort" or not target or target[0] not in RANK or target[0] == "__version__":
        return ""
    source_layer, target_layer = importer[0], target[0]
    if source_layer == target_layer:
        return "verbs never import verbs" if source_layer == "verbs" and target[1:2] != list(importer[1:2]) else ""
    beside = (
        RANK[source_layer] == RANK[target_layer]
        and RANK[source_layer] in FILES
        and "stats" not in (source_layer, target_layer)
    )
    return "" if RANK[target_layer] < RANK[source_layer] or beside else "imports point down only"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_downwards_only(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts == ("__init__",):
        assert imported(path.read_text(encoding="utf-8")) == set()
        return
    assert parts[0] in RANK, f"{parts[0]} has no layer"
    actual = {name: breach(parts, name) for name in imported(path.read_text(encoding="utf-8"))}
    assert {name: why for name, why in actual.items() if why} == {}


@pytest.mark.parametrize(
    ("importer", "source", "why"),
    [
        (("runs",), "import cxrshort.verbs.train", "imports point down only"),
        (("models", "x"), "def f():\n    from cxrshort.training import loop", "imports point down only"),
        (("figures", "x"), "from cxrshort import datasets", "imports point down only"),
        (("report", "x"), "from cxrshort import datasets", ""),
        (("stats", "x"), "from cxrshort import dataset", "imports point down only"),
        (("runs",), "from cxrshort.stats import auc", "imports point down only"),
        (("models", "x"), "from cxrshort.datasets import phantom", "imports point down only"),
        (("manifest",), "from cxrshort.stats import auc", "imports point down only"),
        (("verbs", "train"), "from cxrshort.verbs import evaluate", "verbs never import verbs"),
        (("verbs", "stats", "auc"), "from cxrshort.verbs.stats import gap", ""),
        (("stats", "x"), "import torch.nn", "stats never import torch"),
        (("models", "x"), "from .densenet import y", "relative import"),
        (("training", "x"), "from cxrshort.models import y", ""),
        (("cli", "x"), "from cxrshort import __version__, errors", ""),
    ],
)
def test_breach_is_seen(importer, source, why):
    assert {breach(importer, name) for name in imported(source)} == {why}
