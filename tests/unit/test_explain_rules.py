"""Each rule of `explain` speaks from its threshold on, about the step that it concerns, and no earlier."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tritonzoo.explain.observation import Observation, Step
from tritonzoo.explain.rules import RULES, advise

QUIET = Step("encoder", 1, queue_ms=0, input_ms=0.1, compute_ms=9, output_ms=0.1, total_ms=9.2, batch=4, max_batch_size=64, has_batcher=True)  # fmt: skip
FIRST = Step("tokenizer", 1, queue_ms=0, input_ms=0.02, compute_ms=0.3, output_ms=0.02, total_ms=0.4, batch=4, max_batch_size=64, has_batcher=True)  # fmt: skip
SEEN = Observation(
    "pipeline", clients=8, answers=500, mean_ms=10, server_ms=9.8, steps=[FIRST, QUIET], is_chain=True,
    cores=2, server_cores=1.7, other_cores=0.0,
)  # fmt: skip


def with_step(seen: Observation = SEEN, **changes: object) -> Observation:
    return replace(seen, steps=[FIRST, replace(QUIET, **changes)])


def advised(seen: Observation) -> set[tuple[str, str]]:
    return {(advice.rule, advice.step) for advice in advise(seen)}


def test_a_pipeline_that_only_computes_is_left_alone() -> None:
    assert advised(SEEN) == set()


@pytest.mark.parametrize(
    ("rule", "below", "reached"),
    [
        ("add_instance", with_step(replace(SEEN, server_cores=1.5), queue_ms=2.9), with_step(replace(SEEN, server_cores=1.5), queue_ms=3.0)),
        ("add_instance", with_step(replace(SEEN, server_cores=1.51), queue_ms=5.0), with_step(replace(SEEN, server_cores=1.5), queue_ms=5.0)),
        ("lower_precision", with_step(replace(SEEN, server_cores=1.79), precision="fp32"), with_step(replace(SEEN, server_cores=1.8), precision="fp32")),
        ("lower_precision", with_step(replace(SEEN, server_cores=2.0), precision="int8"), with_step(replace(SEEN, server_cores=2.0), precision="fp32")),
        ("bucket_lengths", with_step(padding=0.149), with_step(padding=0.15)),
        ("wider_batch", with_step(queue_ms=2.0, batch=51.0), with_step(queue_ms=2.0, batch=51.2)),
        ("wider_batch", with_step(queue_ms=1.9, batch=64.0), with_step(queue_ms=2.0, batch=64.0)),
        ("gather_requests", with_step(queue_ms=2.0), with_step(queue_ms=2.0, has_batcher=False)),
        ("gather_requests", with_step(queue_ms=2.0, has_batcher=False, max_batch_size=1), with_step(queue_ms=2.0, has_batcher=False, max_batch_size=2)),
        ("gather_requests", with_step(replace(SEEN, clients=1), queue_ms=2.0, has_batcher=False), with_step(queue_ms=2.0, has_batcher=False)),
        ("lighter_tensors", with_step(input_ms=1.0, output_ms=0.9), with_step(input_ms=1.0, output_ms=1.0)),
    ],
)  # fmt: skip
def test_a_rule_speaks_from_its_threshold_on(rule: str, below: Observation, reached: Observation) -> None:
    assert (rule, "encoder") not in advised(below)
    assert (rule, "encoder") in advised(reached)


def test_a_client_that_is_far_is_told() -> None:
    assert advised(replace(SEEN, server_ms=7.1)) == set()
    assert advised(replace(SEEN, server_ms=7.0)) == {("closer_client", "")}
    near = replace(SEEN, mean_ms=1.0, server_ms=0.2, steps=[])
    assert advised(near) == set()  # a millisecond is what a round trip takes


def test_a_small_step_is_to_be_fused_into_its_neighbour() -> None:
    small = replace(FIRST, compute_ms=0.3, total_ms=1.5)
    (advice,) = advise(replace(SEEN, steps=[small, QUIET]))

    assert (advice.rule, advice.step) == ("fuse_small_step", "tokenizer")
    assert advice.words.startswith("fuse tokenizer into encoder: its work takes 0.30 ms")
    assert advised(replace(SEEN, steps=[small, QUIET], is_chain=False)) == set()
    assert advised(replace(SEEN, steps=[small])) == set()  # there is nothing to fuse it into


def test_the_hand_over_of_a_lone_request_is_all_that_its_work_does_not_take() -> None:
    step = replace(QUIET, compute_ms=9, alone_ms=4.0)
    lone = replace(SEEN, clients=1, steps=[FIRST, step])

    assert advised(lone) == {("fuse_small_step", "encoder")}


def test_waiting_for_a_batch_is_no_hand_over() -> None:
    """Among others a request computes for as long as its batch does; alone it would take an eighth of that."""
    assert advised(with_step(alone_ms=1.2)) == set()


def test_figures_that_carry_nothing_advise_nothing_and_say_why() -> None:
    slow = with_step(queue_ms=5.0, has_batcher=False, padding=0.5)

    (few,) = advise(replace(slow, answers=49))
    (busy,) = advise(replace(slow, other_cores=0.51))

    assert (few.rule, busy.rule) == ("too_few_answers", "busy_machine")
    assert "--seconds" in few.words
    assert len(advise(slow)) >= 2


def test_rounds_of_a_loop_are_not_timed_and_so_not_advised_on() -> None:
    seen = with_step(queue_ms=9.0, input_ms=9.0, has_batcher=False, is_timed=False)

    assert advised(replace(seen, server_cores=0.5)) == set()


def test_every_rule_is_named_after_its_function() -> None:
    told = {rule for rule, _ in advised(with_step(queue_ms=5.0, batch=64.0, padding=0.5, input_ms=5.0))}

    assert told <= {rule.__name__ for rule in RULES}
    assert told == {"wider_batch", "bucket_lengths", "lighter_tensors"}
