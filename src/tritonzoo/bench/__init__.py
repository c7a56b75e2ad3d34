"""`tritonzoo bench`: load from real inputs, and how fast, how right and at what cost it was answered."""

from tritonzoo.bench.options import BenchOptions, Load

__all__ = ["BenchOptions", "Load"]
