"""Find a repository's folder, its tables and its image files, whatever the download was unpacked into.

Downloads of one archive differ in folder names, nesting (``images_001/images``) and the case of file names. What is
found does not depend on the order in which a disk lists its folders.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from cxrshort.datasets.repositories.reading import Located, ReadOptions, Repository
from cxrshort.errors import MissingInputError
from cxrshort.files import escape

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
_LEAVES = re.compile(r"^\s*[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|[\x00-\x1f]")


@dataclass(frozen=True)
class ImageIndex:
    """List the image files of a folder.

    Args:
        by_name: file name to path; paths are in posix form, relative to the folder that was asked for.
        paths: every image file, in order.
        repeated: names that stand in several folders; ``by_name`` has the one with the shortest path, then the first.
        unreadable: folders that could not be listed.
        other_files: number of files that are no images by their name.
    """

    by_name: dict[str, str]
    paths: tuple[str, ...]
    repeated: frozenset[str]
    unreadable: tuple[str, ...]
    other_files: int = 0

    def find(self, names: pd.Series, *, parts: int = 1) -> pd.Series:
        """Return the path of each file name, ``""`` where there is none.

        A name may carry folders: only the last ``parts`` parts count. Where the exact name is absent, its case is
        ignored.
        """
        if parts == 1:
            return self._look_up(last_parts(names), self.by_name)
        tails = last_parts(pd.Series(self.paths, dtype=str), parts).to_list()
        return self._look_up(last_parts(names, parts), dict(zip(tails[::-1], self.paths[::-1], strict=True)))

    @staticmethod
    def _look_up(keys: pd.Series, table: dict[str, str]) -> pd.Series:
        folded: dict[str, str] = {}
        for key, path in table.items():
            folded.setdefault(key.casefold(), path)
        paths = [table.get(key) or folded.get(key.casefold(), "") for key in keys]
        return pd.Series(paths, index=keys.index, dtype=str)

    def notes(self, used: Iterable[str]) -> list[str]:
        """Return what people should know about the files, given the paths that the metadata uses."""
        unnamed = len(set(self.paths).difference(used))
        notes = [f"{unnamed} image files are not named in the metadata and were left alone"] if unnamed else []
        if self.unreadable:
            notes.append(
                f"{len(self.unreadable)} folders cannot be listed: {', '.join(map(escape, self.unreadable[:3]))}"
            )
        return notes

    def ambiguity(self, names: Iterable[str]) -> list[str]:
        """Return a note on the names that stand for several files."""
        count = len(self.repeated.intersection(names))
        return [f"{count} file names stand in several folders: one of each is used"] if count else []


def index_images(
    folder: Path,
    *,
    relative_to: Path,
    within: str = "",
    suffixes: Sequence[str] = (),
    also: Callable[[Path], bool] = lambda path: False,
) -> ImageIndex:
    r"""Walk a folder once and list its image files.

    Links to folders are followed, real folders first and each folder once, so a loop of links ends.

    Args:
        folder: where to look.
        relative_to: what the paths in the answer are relative to: ``folder`` or a folder above it.
        within: pattern for direct subfolders, such as ``images(_\d+)?``; when some match, only these are walked.
        suffixes: accepted endings in lower case; the image formats when empty.
        also: asked of every file with another ending.
    """
    accepted = tuple(suffixes) or IMAGE_SUFFIXES
    names, unreadable = _walk(folder, within)
    prefix = posix_prefix(folder, relative_to)
    paths = sorted(prefix + name for name in names if name.lower().endswith(accepted) or also(folder / name))
    by_name: dict[str, str] = {}
    repeated = set()
    for path in sorted(paths, key=lambda path: (path.count("/"), path.split("/"))):
        name = path.rpartition("/")[2]
        if name in by_name:
            repeated.add(name)
        by_name.setdefault(name, path)
    unlisted = sorted(prefix + name for name in unreadable)
    return ImageIndex(by_name, tuple(paths), frozenset(repeated), tuple(unlisted), other_files=len(names) - len(paths))


def locate_names(
    names: pd.Series, folder: Path, *, root: Path, options: ReadOptions, within: str = "", expected: str = "images"
) -> Located:
    """Find the file of each name, wherever it lies in a repository.

    Args:
        names: file names as the metadata writes them; folders in them are ignored.
        folder: the repository's folder.
        root: what the paths in the answer are relative to.
        options: without ``require_files`` no folder is walked and every file is taken to be in its place.
        within: see `index_images`.
        expected: subfolder of a file that is not there.
    """
    last = last_parts(names)
    places = posix_prefix(folder / expected, root) + last
    if not options.require_files:
        return locate_files(names, places)
    index = index_images(folder, relative_to=root, within=within)
    located = locate_files(names, places, paths=index.find(last), index=index)
    return replace(located, notes=(*located.notes, *index.ambiguity(last)))


def locate_files(
    names: pd.Series, places: pd.Series, *, paths: pd.Series | None = None, index: ImageIndex | None = None
) -> Located:
    """Put together where the files of the candidates are.

    Args:
        names: names or paths as the metadata writes them.
        places: where the files are expected, relative to the root.
        paths: where they are, ``""`` where they are not; None when nobody looked.
        index: the files that ``paths`` comes from.
    """
    outside = pd.Series([leaves_folder(name) for name in names.tolist()], index=names.index, dtype=bool)
    if paths is None:
        return Located(places.mask(outside, names), outside, pd.Series(False, index=names.index))
    paths = paths.mask(outside, "")
    missing = paths == ""
    notes = tuple(index.notes(paths)) if index else ()
    return Located(paths.mask(missing, places).mask(outside, names), outside, missing, notes)


def leaves_folder(path: str) -> bool:
    """Return whether a path from a table points outside the folder that it is relative to, or is no path at all.

    Example:
        >>> leaves_folder("images/../../secret.png"), leaves_folder("images/a..b.png")
        (True, False)
    """
    return bool(_LEAVES.search(path))


def last_parts(paths: pd.Series, parts: int = 1) -> pd.Series:
    """Return the last parts of each path, by default its file name."""
    if parts == 1:
        return pd.Series([path.rpartition("/")[2] for path in paths.tolist()], index=paths.index, dtype=str)
    return pd.Series(["/".join(path.split("/")[-parts:]) for path in paths.tolist()], index=paths.index, dtype=str)


def posix_prefix(folder: Path, root: Path) -> str:
    """Return what a name inside ``folder`` is prefixed with to be relative to ``root``."""
    relative = folder.relative_to(root).as_posix()
    return "" if relative == "." else relative + "/"


@dataclass(frozen=True)
class _Contents:
    """Hold what lies directly inside a folder, or that it cannot be listed."""

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def _walk(folder: Path, within: str) -> tuple[list[str], list[str]]:
    """Return the files below a folder and the folders that cannot be listed, both relative to it."""
    visited = {name: _contents(folder, name) for name in _first_folders(folder, within)}
    stack = list(visited.values())
    while stack:
        new = {name: _contents(folder, name) for name in stack.pop().folders}
        visited.update(new)
        stack.extend(new.values())
    # Links come last, so that a file is named by its real place where it has one.
    links = [name for contents in visited.values() for name in contents.links]
    identities = {_identity(folder / name) for name in visited} if links else set()
    while links:
        links.sort(reverse=True)
        name = links.pop()
        identity = _identity(folder / name)
        if identity not in identities:
            identities.add(identity)
            visited[name] = _contents(folder, name)
            links += visited[name].folders + visited[name].links
    listings = visited.values()
    return [name for listing in listings for name in listing.files], [
        name for listing in listings for name in listing.unreadable
    ]


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError:
        return (-1, -1)
    return status.st_dev, status.st_ino


def _first_folders(folder: Path, within: str) -> list[str]:
    if within:
        matching = [name for name in _folder_names(folder) if re.fullmatch(within, name, flags=re.IGNORECASE)]
        if matching:
            return sorted(matching, reverse=True)
    return [""]


def _contents(folder: Path, name: str) -> _Contents:
    prefix = name + "/" if name else ""
    contents = _Contents()
    try:
        with os.scandir(f"{folder}/{name}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    contents.folders.append(prefix + entry.name)
                elif entry.is_symlink() and _leads_to(entry, folder=True):
                    contents.links.append(prefix + entry.name)
                elif _leads_to(entry):
                    contents.files.append(prefix + entry.name)
    except OSError:
        return _Contents(unreadable=[name])
    return contents


def _leads_to(entry: "os.DirEntry[str]", *, folder: bool = False) -> bool:
    """Return whether an entry is a file or folder, itself or through links; a circular link is neither."""
    try:
        return entry.is_dir() if folder else entry.is_file()
    except OSError:
        return False


def find_repository(root: Path, repository: Repository) -> Path:
    """Return the folder that holds a repository: a subfolder of ``root`` with a usual name, or ``root`` itself.

    A folder that holds one of the repository's marker files is preferred to one that has the name only.

    A repository without usual names is whatever ``root`` holds.

    Raises:
        MissingInputError: there is no such folder.
    """
    if not root.is_dir():
        raise MissingInputError(f"'{root}' is not a folder", "give the folder of the downloads with --root")
    if not repository.folders:
        return root
    usual_names = [name.casefold() for name in repository.folders]
    named = [name for name in _folder_names(root) if name.casefold() in usual_names]
    candidates = [root / name for name in sorted(named, key=lambda name: (usual_names.index(name.casefold()), name))]
    for folder in [*candidates, root]:
        if any(_matches(folder, marker) for marker in repository.markers):
            return folder
    if candidates:
        return candidates[0]
    if root.resolve().name.casefold() in usual_names:
        return root
    raise MissingInputError(
        f"'{root}' has no folder of {repository.name}",
        f"looked for {', '.join(repository.folders)}; put the download there, or give another --root",
    )


def find_file(folder: Path, *names: str, hint: str = "") -> Path:
    """Return the first file that exists among names and patterns such as ``labels/Data_Entry_2017*.csv``.

    The case of names is ignored, and each is looked for with ``.gz`` too.

    Raises:
        MissingInputError: none of them exists.
    """
    path = find_optional_file(folder, *names)
    if path is None:
        raise MissingInputError(f"'{folder}' has no file '{names[0]}'", hint or f"looked for {', '.join(names)}")
    return path


def find_optional_file(folder: Path, *names: str) -> Path | None:
    """Return the first file that exists among names and patterns, None when there is none."""
    for name in names:
        for pattern in (name, name + ".gz"):
            matches = _matches(folder, pattern)
            if matches:
                return matches[0]
    return None


def find_files(folder: Path, *names: str) -> list[Path]:
    """Return every file that names and patterns stand for, in their order, each once; ``.gz`` copies included."""
    paths = [path for name in names for pattern in (name, name + ".gz") for path in _matches(folder, pattern)]
    return list(dict.fromkeys(paths))


def _matches(folder: Path, pattern: str) -> list[Path]:
    """Return the files or folders that a pattern of one or more parts names, ignoring the case, in order."""
    places = [folder]
    for part in pattern.split("/"):
        if "*" not in part and all(_exists(place / part) for place in places):
            places = [place / part for place in places]
            continue
        regex = re.compile(".*".join(re.escape(piece) for piece in part.split("*")), flags=re.IGNORECASE)
        places = [place / name for place in places for name in _entry_names(place) if regex.fullmatch(name)]
    return places


def _entry_names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _folder_names(folder: Path) -> list[str]:
    return [name for name in _entry_names(folder) if _exists(folder / name, folder=True)]


def _exists(path: Path, *, folder: bool = False) -> bool:
    try:
        return path.is_dir() if folder else path.exists()
    except OSError:
        return False
