"""What repositories write in words of their own, read."""
