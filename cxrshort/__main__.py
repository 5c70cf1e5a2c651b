"""Run cxrshort as ``python -m cxrshort``."""

from cxrshort.cli.app import main

if __name__ == "__main__":
    main()
