"""The same files under Compose v2: up, an answer, down, nothing left."""

from __future__ import annotations

import time

from tests.docker.conftest import left_behind
from tests.docker.stack import Stack, call


def test_the_stack_comes_up_answers_and_goes(images: dict[str, str], compose_v2: dict[str, str]) -> None:
    stack = Stack("tritonzoo-v2", ("docker", "compose"), env={**images, **compose_v2})
    try:
        began = time.monotonic()
        stack("up", "--detach", "--no-build", "--wait", "edge")
        print(f"\nCompose v2, from up to healthy: {time.monotonic() - began:.1f} s")
        assert call(stack.http, "ensemble_sentiment", {"text": "well done"})["label"] == "positive"
    finally:
        stack.down()
    assert left_behind(stack) == []
