"""The command line: parsing, printing and the error boundary; nothing else."""
