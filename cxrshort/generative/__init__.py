"""Networks and programs that make radiographs out of radiographs."""
