"""Where the mask of a row comes from: the dataset, a file, a folder, a segmenter."""
