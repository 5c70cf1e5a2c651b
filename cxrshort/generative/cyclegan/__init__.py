"""CycleGAN: what tells two groups of radiographs apart, as a change of pictures."""
