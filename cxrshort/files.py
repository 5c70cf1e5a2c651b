"""Files that appear whole or not at all, their hashes, and clear errors where the system refuses to write them."""

import contextlib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from cxrshort.errors import DataError, OutputError

TEMPORARY = re.compile(r"\..+\.[0-9]+\.tmp")
"""What `atomic` calls its temporary files; a kill leaves them behind."""

_REFUSALS = (
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EFBIG,
    errno.EIO,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write ``path`` into one clear error.

    Raises:
        OutputError: a read-only folder, a full disk, a quota.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _REFUSALS:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(
                f"'{path}' cannot be written: {reason}", "free the space or choose another --out"
            ) from error
        raise


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it to ``path`` when the block ends without an error.

    The temporary file is synced to the disk before the rename, so that a reader sees the old file or the new one.

    Raises:
        OutputError: the file cannot be written.
    """
    if not path.parent.is_dir():
        raise OutputError(f"'{path}' cannot be written: '{path.parent}' is not a folder", "make the folder first")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text``, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_regular(path: Path, *, hint: str = "") -> None:
    """Refuse a pipe, a device or a socket: the first would be waited for, and the second read, without an end.

    A folder, and what is not there, is left to whoever opens it.

    Raises:
        DataError: it is none of a file, a folder and nothing.
    """
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise DataError(f"'{path}' is not a file", hint)


def _umask() -> int:
    """Return the umask; some libraries write files that only their owner can read."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def is_text(name: str) -> bool:
    """Return whether a file name is text; one whose bytes are not UTF-8 holds lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def escape(name: str) -> str:
    r"""Return a file name as text, with the bytes that are not UTF-8 escaped.

    Example:
        >>> print(escape("f\udce9.png"))
        f\xe9.png
    """
    return (
        name
        if is_text(name)
        else "".join(character if is_text(character) else _escaped(ord(character)) for character in name)
    )


def _escaped(code: int) -> str:
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def shell_safe(text: str) -> str:
    """Return text as part of a name that shells and Makefiles leave alone: letters, digits, ``.``, ``-`` and ``_``.

    Commas become ``_`` and equals signs ``-``. Where anything else is lost, digits of a hash tell the text from others.

    Example:
        >>> shell_safe("Edema,Mass"), shell_safe("weight=10"), shell_safe("a/b.pt")
        ('Edema_Mass', 'weight-10', 'a-b.pt-5032be')
    """
    cleaned = re.sub(r"[^\w.-]+", "-", text.replace(",", "_")).strip("-") or "empty"
    if re.fullmatch(r"[^\W_]([^\W_]|[.,=-])*", text):
        return cleaned
    return f"{cleaned}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def shorten(name: str, *, longest: int = 160) -> str:
    """Return a name that a file system takes: what is cut off an overlong one still tells it from others.

    Example:
        >>> shorten("replicate-0"), shorten("replicate-0", longest=3)
        ('replicate-0', 'rep...c6bef3be')
    """
    if len(name) <= longest:  # file systems take 255 bytes
        return name
    return f"{name[:longest]}...{hashlib.sha256(name.encode()).hexdigest()[:8]}"
