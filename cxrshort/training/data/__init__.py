"""Training data: folds, batches, augmentation, sampling, masks."""
