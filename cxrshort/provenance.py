"""Provenance of a run, for its run.json: machine, command line and versions."""

import contextlib
import os
import platform
import sys
from importlib import metadata
from typing import Any

from cxrshort import __version__

_RECORDED_PACKAGES = (
    "numpy",
    "pandas",
    "pillow",
    "pydicom",
    "safetensors",
    "scikit-learn",
    "scipy",
    "torch",
    "torchvision",
)


def machine() -> dict[str, Any]:
    """Return this machine's name and system, and the command line."""
    return {"host": platform.node(), "system": platform.platform(), "cpus": os.cpu_count(), "command": sys.argv[1:]}


def versions() -> dict[str, str]:
    """Return the versions of cxrshort, Python and the packages that results depend on, as far as they are installed."""
    installed = {"cxrshort": __version__, "python": platform.python_version()}
    for name in _RECORDED_PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed
