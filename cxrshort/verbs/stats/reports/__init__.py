"""What run folders prove for a report: facts, the items of guidelines, a model card and a datasheet."""
