"""Where a server is: `localhost:8001`, `grpc://host:8001`, `https://host/base/path`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import urlsplit

Protocol = Literal["grpc", "http"]

DEFAULT_PORT = {"grpc": 8001, "http": 8000, "grpcs": 8001, "https": 443}
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Endpoint:
    """A server's address and the protocol spoken with it."""

    protocol: Protocol
    host: str
    port: int
    path: str = ""  # base path of a reverse proxy, HTTP only: "/triton"
    secure: bool = False  # TLS

    @classmethod
    def parse(cls, url: str, protocol: str | None = None) -> Endpoint:
        """Read an address; a scheme says the protocol, without one it is `protocol` or else gRPC.

        Raises ValueError when the address cannot be read or its scheme contradicts `protocol`.
        """
        if protocol not in (None, "grpc", "http"):
            raise ValueError(f"protocol is {protocol!r}; give 'grpc' or 'http'")
        text = url if "://" in url else f"{protocol or 'grpc'}://{url}"
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"the url {url!r} cannot be read: {error}; write it like {_EXAMPLES}") from None
        if parts.scheme not in DEFAULT_PORT:
            raise ValueError(f"the url {url!r} has the scheme {parts.scheme!r}; write it like {_EXAMPLES}")
        if not host or parts.query or parts.fragment or parts.username:
            raise ValueError(f"the url {url!r} is not host:port; write it like {_EXAMPLES}")
        spoken = cast(Protocol, parts.scheme.removesuffix("s"))
        if protocol is not None and protocol != spoken:
            raise ValueError(
                f"the url {url!r} says {spoken} and protocol says {protocol}; leave one of them out"
            )
        path = parts.path.rstrip("/")
        if path and spoken == "grpc":
            raise ValueError(f"the url {url!r} has a path, which gRPC has not; write it like {_EXAMPLES}")
        return cls(spoken, host, port or DEFAULT_PORT[parts.scheme], path, parts.scheme.endswith("s"))

    @property
    def address(self) -> str:
        """`host:port` and the base path, as tritonclient wants it: without a scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}{self.path}"

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS

    def __str__(self) -> str:
        return f"{self.protocol}{'s' if self.secure else ''}://{self.address}"


_EXAMPLES = "localhost:8001, grpc://host:8001 or http://host:8000"
