"""What run.json says of the machine and the versions."""

import json
import platform
import sys
from importlib import metadata

from cxrshort import __version__, provenance


def test_versions_are_those_of_the_installed_packages():
    versions = provenance.versions()
    assert versions["cxrshort"] == __version__ and versions["python"] == platform.python_version()
    assert versions["numpy"] == metadata.version("numpy") and versions["torch"] == metadata.version("torch")


def test_versions_leave_out_what_is_not_installed(monkeypatch):
    monkeypatch.setattr(provenance, "_RECORDED_PACKAGES", ("numpy", "no-such-package"))
    assert set(provenance.versions()) == {"cxrshort", "python", "numpy"}


def test_machine_has_the_command_line_and_fits_into_json(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cxrshort", "train", "phantom-I"])
    machine = json.loads(json.dumps(provenance.machine()))
    assert machine["command"] == ["train", "phantom-I"] and machine["cpus"] >= 1
