"""What to change, in words, and only where the figures support it: each rule has a name and a threshold.

A rule looks at an `Observation` and gives its advice for each step that it concerns, or none. None speaks
about figures that are too few, or that other programs have spoilt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tritonzoo.explain.observation import Observation, Step

FEWEST_ANSWERS = 50  # below, a mean says little
MOST_OTHER_CORES = 0.5  # beyond, the figures are not the pipeline's

HANDED_OVER = 0.10  # of a request, spent on being a step
WAITING = 0.30  # of a request, in a step's queue
WAITING_FOR_BATCH = 0.20
IDLE = 0.75  # of the cores; busy below this, there is room for another instance
BUSY = 0.90  # from here on there is none
COMPUTING = 0.50  # of a request, in one step
PADDED = 0.15  # computed on top of what was real
BATCH_FULL = 0.80  # of max_batch_size
COPIED = 0.20  # of a request, in a step's copies
OUTSIDE = 0.30  # of a request, not in the server
OUTSIDE_MS = 1.0  # and at least this long


@dataclass(frozen=True)
class Advice:
    """One thing to change."""

    rule: str
    step: str  # the model that it is about; empty for the whole
    words: str


def advise(seen: Observation) -> list[Advice]:
    """What every rule has to say, or, where the figures carry nothing, why nothing is said."""
    if seen.answers < FEWEST_ANSWERS:
        return [
            Advice(
                "too_few_answers",
                "",
                f"{seen.answers} answers are too few to advise on; give --seconds more than now",
            )
        ]
    if seen.other_cores is not None and seen.other_cores > MOST_OTHER_CORES:
        return [
            Advice(
                "busy_machine",
                "",
                f"other programs kept {seen.other_cores:.1f} cores busy, so nothing is advised; measure "
                "again on a quiet machine",
            )
        ]
    return [advice for rule in RULES for advice in rule(seen)]


def fuse_small_step(seen: Observation) -> Iterator[Advice]:
    """A step of a chain whose hand-over costs more than its work.

    What the work takes alone says so of a lone request only: among others it also waits for its batch.
    """
    for place, step in enumerate(seen.steps if seen.is_chain else ()):
        others = (*seen.steps[place + 1 :], *seen.steps[:place][::-1])
        if not step.is_timed or not others:
            continue
        work_ms = step.compute_ms if step.alone_ms is None or seen.clients > 1 else step.alone_ms
        handed_ms = step.total_ms - step.queue_ms - work_ms
        if seen.share(handed_ms) >= HANDED_OVER and handed_ms > work_ms:
            yield Advice(
                "fuse_small_step",
                step.name,
                f"fuse {step.name} into {others[0].name}: its work takes {work_ms:.2f} ms, and being a step "
                f"of its own {handed_ms:.2f} ms more, {seen.share(handed_ms):.0%} of a request",
            )


def add_instance(seen: Observation) -> Iterator[Advice]:
    """Requests wait for a step while cores idle."""
    if seen.server_cores is None or seen.server_cores > IDLE * seen.cores:
        return
    for step in _waiting(seen, WAITING):
        yield Advice(
            "add_instance",
            step.name,
            f"add an instance to {step.name} (instance_group count: {step.instances + 1}): requests wait "
            f"{step.queue_ms:.1f} ms for it, {seen.share(step.queue_ms):.0%} of a request, while "
            f"{seen.cores - seen.server_cores:.1f} of {seen.cores} cores idle",
        )


def lower_precision(seen: Observation) -> Iterator[Advice]:
    """All cores compute, mostly one float32 graph: more instances would only take turns."""
    if seen.server_cores is None or seen.server_cores < BUSY * seen.cores:
        return
    for step in seen.steps:
        if step.is_timed and step.precision == "fp32" and seen.share(step.compute_ms) >= COMPUTING:
            yield Advice(
                "lower_precision",
                step.name,
                f"all {seen.cores} cores are busy, and {step.name} computes in float32 for "
                f"{seen.share(step.compute_ms):.0%} of a request: try `tritonzoo convert {step.name} "
                "--precision int8` with `--profile cpu-int8`, or more cores; more instances would only take "
                "turns",
            )


def bucket_lengths(seen: Observation) -> Iterator[Advice]:
    """Rows of very different length share a run."""
    for step in seen.steps:
        if step.padding is not None and step.padding >= PADDED:
            yield Advice(
                "bucket_lengths",
                step.name,
                f"bucket lengths in {step.name}: {step.padding:.0%} of what it computes comes on top as "
                "padding; lower its parameter run_cost_elements",
            )


def wider_batch(seen: Observation) -> Iterator[Advice]:
    """Batches are full and requests still wait."""
    for step in _waiting(seen, WAITING_FOR_BATCH):
        if step.batch is not None and step.batch >= BATCH_FULL * step.max_batch_size > 0:
            yield Advice(
                "wider_batch",
                step.name,
                f"allow {step.name} a wider batch (max_batch_size: {2 * step.max_batch_size}): its batches "
                f"hold {step.batch:.1f} of {step.max_batch_size}, and requests wait "
                f"{step.queue_ms:.1f} ms for it",
            )


def gather_requests(seen: Observation) -> Iterator[Advice]:
    """A model that could batch is given one request at a time."""
    for step in _waiting(seen, WAITING_FOR_BATCH):
        if step.max_batch_size > 1 and not step.has_batcher and seen.clients > 1:
            yield Advice(
                "gather_requests",
                step.name,
                f"add dynamic_batching {{}} to {step.name}: it takes {step.max_batch_size} at once, is given "
                f"{step.batch or 1:.1f}, and requests wait {step.queue_ms:.1f} ms for it",
            )


def lighter_tensors(seen: Observation) -> Iterator[Advice]:
    """Tensors are copied for longer than is worth it."""
    for step in seen.steps:
        if step.is_timed and seen.share(step.copies_ms) >= COPIED:
            yield Advice(
                "lighter_tensors",
                step.name,
                f"hand {step.name} less: copying its inputs and outputs takes {step.copies_ms:.2f} ms, "
                f"{seen.share(step.copies_ms):.0%} of a request; a smaller type (UINT8, FP16) or a smaller "
                "tensor does",
            )


def closer_client(seen: Observation) -> Iterator[Advice]:
    """Much of a request's time is not the server's."""
    outside_ms = seen.outside_ms
    if outside_ms is not None and outside_ms >= OUTSIDE_MS and seen.share(outside_ms) >= OUTSIDE:
        yield Advice(
            "closer_client",
            "",
            f"{outside_ms:.1f} ms of {seen.mean_ms:.1f} are not spent in the server: use gRPC, keep "
            "connections open, send several rows in a request, or bring the client nearer",
        )


RULES: tuple[Callable[[Observation], Iterator[Advice]], ...] = (
    fuse_small_step,
    add_instance,
    lower_precision,
    bucket_lengths,
    wider_batch,
    gather_requests,
    lighter_tensors,
    closer_client,
)


def _waiting(seen: Observation, share: float) -> list[Step]:
    """The steps in whose queues a request spends at least `share` of its time."""
    return [step for step in seen.steps if step.is_timed and seen.share(step.queue_ms) >= share]
