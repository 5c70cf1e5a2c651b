"""One writer per folder: a lock that ends with its process, however that ends."""

import contextlib
import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from cxrshort.errors import OutputError

LOCK = ".lock"
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)
"""What file systems without locks answer, such as Lustre without its flock option."""


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder while the block runs.

    The kernel releases a lock when its process ends, so a file that a kill left behind locks nothing. On a file system
    without locks the block runs unprotected.

    Args:
        folder: exists.

    Raises:
        OutputError: another process holds the lock; the message says which.
        OSError: the lock file cannot be written.
    """
    path = folder / LOCK
    file = _acquired(path)
    try:
        os.truncate(file, 0)
        os.write(file, f"process {os.getpid()} on {platform.node()}".encode())
        yield
    finally:
        # While it is still held: whoever waits for this file sees that its name is gone, and makes another.
        path.unlink(missing_ok=True)
        os.close(file)


def _acquired(path: Path) -> int:
    """Return the open, locked file of this name."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(file, 200).decode(errors="replace") or "another process"
            os.close(file)
            raise OutputError(
                f"'{path.parent}' is being written by {holder}", "wait until it ends, or choose another --out"
            ) from error
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(file)
                raise
        if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
            return file
        os.close(file)  # removed between opening and locking
