"""What a fit is trained on: folds, batches, augmentation, sampling, masks."""
