"""What runs inside Triton: needs NumPy and small codecs, never PyTorch, and works on Python 3.10."""
