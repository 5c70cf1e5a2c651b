"""One file per way to learn."""
