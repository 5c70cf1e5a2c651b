"""The audit of a CycleGAN: what it changed, where, and what classifiers make of it."""
