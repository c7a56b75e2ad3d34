"""`tritonzoo soak`: every pipeline at once, for minutes or hours: what grows, what drifts, what fails."""

from tritonzoo.soak.options import SoakOptions

__all__ = ["SoakOptions"]
