"""``cxrshort paths``."""

from cxrshort.cli import facts
from cxrshort.cli.options import Json


def paths(json: Json = False) -> None:
    """Show where datasets, downloads, runs, results and caches are, as the other commands will use them.

    Folders that no environment variable sets are relative to the current folder.

    Example: cxrshort paths
    """
    from cxrshort.verbs.paths import paths as run

    facts.places(run(), json=json)
