"""When requests of an open loop are due.

A generator that sends the next request only after an answer slows down with the server, and leaves out of its
latencies the time in which requests would have waited (coordinated omission). Here every request has its time
before the first is sent, and its latency counts from that time.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from tritonzoo.bench.options import Arrivals


def due_times_s(rate_per_s: float, seconds: float, arrivals: Arrivals, seed: int) -> Iterator[float]:
    """Seconds from the start at which a request is due, in order, before `seconds`.

    Constant ones are 1/rate apart. Those of a Poisson process are independent of each other, as those of many
    users are: gaps vary exponentially around 1/rate.
    """
    steps: Iterator[float]
    if arrivals == "constant":
        steps = (index / rate_per_s for index in itertools.count())
    else:
        draw = random.Random(seed)
        steps = itertools.accumulate(draw.expovariate(rate_per_s) for _ in itertools.count())
    return itertools.takewhile(lambda due_s: due_s < seconds, steps)
