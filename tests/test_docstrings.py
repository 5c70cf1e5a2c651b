"""The examples in the docstrings of every module are true."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

import cxrshort

PACKAGE = Path(cxrshort.__file__).parent


def examples(source: str) -> int:
    """Count the examples in a module's docstrings as they are written, whether doctest finds them or not."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return sum(line.strip().startswith(">>> ") for text in texts for line in text.splitlines())


WRITTEN = {
    ".".join(("cxrshort", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): count
    for path in sorted(PACKAGE.rglob("*.py"))
    if (count := examples(path.read_text(encoding="utf-8")))
}


@pytest.mark.parametrize("module", WRITTEN)
def test_examples_are_true(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert (result.failed, result.attempted) == (0, WRITTEN[module])


def test_false_and_hidden_examples_are_noticed() -> None:
    source = 'def outer():\n    def inner():\n        """Say so.\n\n        >>> 1 + 1\n        3\n        """\n'
    assert examples(source) == 1
    assert examples('"""No example."""\nx = 1  # >>> 1\n') == 0
