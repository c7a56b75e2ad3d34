"""What a container is told by its environment: `Settings`. Never by arguments, which everybody may read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tritonzoo.errors import ServerError
from tritonzoo.profiles import DEFAULT

STATUS_PORT = 8003


@dataclass(frozen=True)
class Settings:
    """One container's choices, each an environment variable.

    Attributes:
        profile: TRITONZOO_PROFILE, the serving profile.
        pipelines: TRITONZOO_PIPELINES, separated by commas; none means all.
        allow_unproved: TRITONZOO_ALLOW_UNPROVED, models to serve without a green ledger entry.
        unready_s: TRITONZOO_UNREADY_S, how long a container that was told to stop goes on serving although it
            calls itself not ready, so that every balancer has seen it.
        drain_s: TRITONZOO_DRAIN_S, how long requests in flight may take after that.
        start_timeout_s: TRITONZOO_START_TIMEOUT_S, how long loading may take.
        mounted: TRITONZOO_TREE, where a tree may be mounted; its models take the place of the image's.
        built_in: TRITONZOO_BUILT_IN, the image's own tree, with artifacts.
        scratch: TRITONZOO_SCRATCH, a folder that can be written, in memory.
    """

    profile: str = DEFAULT
    pipelines: tuple[str, ...] = ()
    allow_unproved: tuple[str, ...] = ()
    unready_s: float = 5.0
    drain_s: float = 30.0
    start_timeout_s: float = 300.0
    mounted: Path = Path("/tree")
    built_in: Path = Path("/opt/tritonzoo/tree")
    scratch: Path = Path("/tmp/tritonzoo")

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings of an environment; what is not set, or empty, is the default.

        Raises:
            ServerError: a variable is not what it should be.
        """
        return cls(
            profile=environment.get("TRITONZOO_PROFILE") or cls.profile,
            pipelines=_listed(environment.get("TRITONZOO_PIPELINES", "")),
            allow_unproved=_listed(environment.get("TRITONZOO_ALLOW_UNPROVED", "")),
            unready_s=_seconds(environment, "TRITONZOO_UNREADY_S", cls.unready_s),
            drain_s=_seconds(environment, "TRITONZOO_DRAIN_S", cls.drain_s),
            start_timeout_s=_seconds(environment, "TRITONZOO_START_TIMEOUT_S", cls.start_timeout_s),
            mounted=Path(environment.get("TRITONZOO_TREE") or cls.mounted),
            built_in=Path(environment.get("TRITONZOO_BUILT_IN") or cls.built_in),
            scratch=Path(environment.get("TRITONZOO_SCRATCH") or cls.scratch),
        )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ServerError(f"{name}={text!r}: it is a number of seconds, 0 or more, such as {default:g}")
    return value
