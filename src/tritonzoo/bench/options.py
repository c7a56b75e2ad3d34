"""What a benchmark is asked to do: the loads, how long, over what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tritonzoo.client.transport import ParameterValue
from tritonzoo.errors import BenchError

Arrivals = Literal["poisson", "constant"]
Protocol = Literal["grpc", "http"]
Generator = Literal["own", "perf_analyzer"]


@dataclass(frozen=True)
class Load:
    """So many clients that each wait for an answer, or so many requests a second whatever the server does."""

    kind: Literal["concurrency", "rate"]
    value: float  # clients, or requests a second

    def __post_init__(self) -> None:
        if self.kind == "concurrency" and (self.value < 1 or self.value != int(self.value)):
            raise BenchError(f"--concurrency {self.value:g}: give whole numbers of clients, such as 1,4,16")
        if self.kind == "rate" and not self.value > 0:
            raise BenchError(f"--rate {self.value:g}: give requests a second, such as 10,50")

    def __str__(self) -> str:
        if self.kind == "rate":
            return f"{self.value:g}/s"
        return f"{self.value:g} client{'' if self.value == 1 else 's'}"


@dataclass(frozen=True)
class BenchOptions:
    """One benchmark; the loads are tried in their order."""

    loads: Sequence[Load]
    protocol: Protocol = "grpc"
    seconds: float = 10.0  # of one repeat
    warmup_s: float = 3.0  # under load, before the first repeat
    repeats: int = 3
    arrivals: Arrivals = "poisson"  # of the open loop
    generator: Generator = "own"
    timeout_s: float = 60.0  # for one answer
    seed: int = 0  # of the order of the inputs and of Poisson's arrivals
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)  # of every request

    def __post_init__(self) -> None:
        if not self.loads:
            raise BenchError("no load is given; give --concurrency 1,4,16 or --rate 10,50")
        if self.protocol not in ("grpc", "http"):
            raise BenchError(f"--protocol {self.protocol}: it is grpc or http")
        if self.arrivals not in ("poisson", "constant"):
            raise BenchError(f"--arrivals {self.arrivals}: they are poisson or constant")
        if self.generator not in ("own", "perf_analyzer"):
            raise BenchError(f"--generator {self.generator}: it is own or perf_analyzer")
        if self.parameters and self.generator != "own":
            raise BenchError("--parameter is for our own generator; leave --generator out")
        if not self.seconds > 0 or self.warmup_s < 0 or self.repeats < 1:
            raise BenchError(
                f"--seconds {self.seconds:g} --warmup {self.warmup_s:g} --repeats {self.repeats}: "
                "seconds are above 0, the warm-up is not negative, and there is at least one repeat"
            )


def loads_of(concurrency: Sequence[str], rates: Sequence[str]) -> tuple[Load, ...]:
    """The loads that a command line means; one client, where it says none."""
    if concurrency and rates:
        raise BenchError("--concurrency and --rate are two kinds of load; give one of them")
    try:
        if rates:
            return tuple(Load("rate", float(rate)) for rate in rates)
        return tuple(Load("concurrency", float(clients)) for clients in concurrency or ("1",))
    except ValueError as error:
        raise BenchError(f"a load is a number: {error}; give --concurrency 1,4,16 or --rate 10,50") from None


def parameters_of(texts: Sequence[str]) -> dict[str, ParameterValue]:
    """`name=value` pairs; true, false and whole numbers are what they look like, all else is text."""
    parameters: dict[str, ParameterValue] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise BenchError(f"--parameter {text}: write it as name=value")
        if value in ("true", "false"):
            parameters[name] = value == "true"
        else:
            parameters[name] = int(value) if value.removeprefix("-").isdecimal() else value
    return parameters
