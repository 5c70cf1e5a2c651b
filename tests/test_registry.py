"""Tables of things that are imported on first use."""

import math
import subprocess
import sys

import pytest

from cxrshort.errors import UsageError
from cxrshort.registry import Entry, check_name, load_entry, propose_name

TABLE = {
    "square-root": Entry("math:sqrt", "root"),
    "Power": Entry("math:pow", "power"),
    "broken": Entry("nowhere:x", ""),
}


def test_load_imports_what_the_entry_names():
    assert load_entry(TABLE, "square-root", kind="function") is math.sqrt


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("square-rot", "did you mean 'square-root'?"),
        ("POWER", "did you mean 'Power'?"),
        ("zzz", "one of: square-root, Power, broken"),
        ("", "one of: square-root, Power, broken"),
    ],
)
def test_load_proposes_a_name_for_an_unknown_one(name, hint):
    with pytest.raises(UsageError) as caught:
        load_entry(TABLE, name, kind="function")
    assert (caught.value.message, caught.value.hint) == (f"'{name}' is not a known function", hint)


@pytest.mark.parametrize(("name", "hint"), [("edemma", "did you mean 'Edema'?"), ("Hernia", "evaluate first")])
def test_propose_name_falls_back_where_none_is_near(name: str, hint: str) -> None:
    assert propose_name(["Pneumonia", "Edema"], name, otherwise="evaluate first") == hint


def test_check_name_imports_nothing():
    check_name(TABLE, "broken", kind="function")
    with pytest.raises(ModuleNotFoundError):
        load_entry(TABLE, "broken", kind="function")


@pytest.mark.parametrize(
    "table",
    [
        "cxrshort.attribution:METHODS",
        "cxrshort.datasets:SOURCES",
        "cxrshort.models:ARCHITECTURES",
        "cxrshort.training:OBJECTIVES",
        "cxrshort.training:CURES",
    ],
)
def test_looking_through_a_table_loads_nothing_heavy(table):
    module, _, name = table.partition(":")
    code = f"import sys; from {module} import {name}; print(len({name}), *sys.modules)"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, *modules = completed.stdout.split()
    assert int(count) > 0
    assert {"numpy", "torch", "pandas"}.isdisjoint(modules)
