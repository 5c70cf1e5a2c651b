"""Find, measure and remove shortcut learning in chest-radiograph classifiers."""

__version__ = "0.1.0"
