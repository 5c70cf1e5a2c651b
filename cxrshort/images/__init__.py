"""Files to pixels, and the memory maps that hold them."""
