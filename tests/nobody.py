"""Tests of what may not be read or written: as root, who may do everything, they run as a user who may not."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534


@contextlib.contextmanager
def powerless_folder() -> Iterator[Path]:
    """Yield an empty folder of a user without special rights, who this process is for as long as the block lasts.

    What is imported within the block must be readable by everybody; what was imported before need not.
    """
    if os.geteuid() != 0:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
        return
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, NOBODY, NOBODY)
    here = Path.cwd()
    try:
        os.seteuid(NOBODY)
    except OSError:
        pytest.skip("this root may not become another user")
    try:
        if not os.access(folder, os.W_OK, effective_ids=True):
            pytest.skip("the temporary folder is closed to other users")
        yield folder
    finally:
        os.seteuid(0)
        os.chdir(here)
        shutil.rmtree(folder)
