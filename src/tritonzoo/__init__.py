"""Serve whole AI pipelines, not bare models, on NVIDIA Triton."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tritonzoo.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    """Import the client at its first use: `tritonzoo.runtime` runs inside Triton, where there is none."""
    if name in __all__:
        from tritonzoo import client

        return getattr(client, name)
    raise AttributeError(f"module 'tritonzoo' has no attribute {name!r}")
