"""Speech models in PyTorch, written so that they export well: recipes load them, nothing in Triton does."""
