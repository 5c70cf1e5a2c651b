"""Building a dataset folder from rows and an image source."""
