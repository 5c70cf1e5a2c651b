"""``cxrshort paths``."""

from cxrshort.cli.options import Json
from cxrshort.cli.printer import print_result


def paths(json: Json = False) -> None:
    """Show where datasets, downloads, runs, results and caches are, as the other commands will use them.

    Folders that no environment variable sets are relative to the current folder.

    Example: cxrshort paths
    """
    from cxrshort.verbs.paths import paths as run

    print_result(run(), json=json)
