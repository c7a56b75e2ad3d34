"""`tritonzoo new`: from a template a folder that passes `check` and its tests, and is served."""

from tritonzoo.scaffold.render import KINDS, new

__all__ = ["KINDS", "new"]
