"""One file per public source: its metadata as rows, no pixels."""
