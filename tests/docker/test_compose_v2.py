"""The same files under Compose v2: up, an answer of every pipeline over both protocols, down, nothing left."""

from __future__ import annotations

import time

from tests.docker.answers import SAMPLES, STREAMED, ask, urls
from tests.docker.conftest import left_behind
from tests.docker.stack import Stack


def test_the_stack_comes_up_every_pipeline_answers_and_it_goes(
    images: dict[str, str], compose_v2: dict[str, str]
) -> None:
    stack = Stack("tritonzoo-v2", ("docker", "compose"), env={**images, **compose_v2})
    try:
        began = time.monotonic()
        stack("up", "--detach", "--no-build", "--wait", "edge")
        print(f"\nCompose v2, from up to healthy: {time.monotonic() - began:.1f} s")
        for pipeline, sample in SAMPLES:
            ask(stack, pipeline, sample)
        for ask_stream in STREAMED.values():
            for url in urls(stack):
                ask_stream(url)
    finally:
        stack.down()
    assert left_behind(stack) == []
