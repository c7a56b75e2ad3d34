"""Ask one thing after the other, and tell each answer."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import BinaryIO

from rich.console import Console

from tritonzoo.client import Client, Pipeline
from tritonzoo.errors import CallError
from tritonzoo.infer.arguments import Question, questions
from tritonzoo.infer.rendering import Outcome, json_line, print_table


def infer(
    pipeline: str,
    arguments: Sequence[str],
    *,
    url: str = "localhost:8001",
    as_json: bool = False,
    client: Client | None = None,
    stdin: BinaryIO | None = None,
    console: Console | None = None,
) -> bool:
    """Send inputs to a pipeline and print its answers; True when every one was answered.

    What the arguments mean is told in `tritonzoo.infer.arguments`. One request is made after the other, so
    that each latency is that of a server with nothing else from here to do. JSON lines are written as the
    answers come. Raises CallError where no request can be made at all.
    """
    client = client or Client(url)
    console = console or Console()
    described = client.describe(pipeline)
    outcomes: list[Outcome] = []
    answered = True
    for question in questions(described, arguments, stdin or sys.stdin.buffer):
        outcome = _ask(client, described, question)
        answered = answered and outcome.error is None
        if as_json:
            console.file.write(json_line(outcome) + "\n")
            console.file.flush()
        else:
            outcomes.append(outcome)
    if not as_json:
        print_table(outcomes, pipeline, console)
    return answered


def _ask(client: Client, pipeline: Pipeline, question: Question) -> Outcome:
    if question.mistake is not None:
        return Outcome(question.shown, error=question.mistake, is_file=question.is_file)
    start_s = time.perf_counter()
    try:
        outputs = client.infer(pipeline.name, question.inputs)
    except CallError as error:
        return Outcome(question.shown, error=error, is_file=question.is_file)
    latency_ms = round((time.perf_counter() - start_s) * 1000, 3)
    promised = [tensor.name for tensor in pipeline.outputs]  # the contract's order, whatever the server's
    names = [*(name for name in promised if name in outputs), *(outputs.keys() - set(promised))]
    shown = {name: outputs[name][0] if pipeline.max_batch_size else outputs[name] for name in names}
    return Outcome(question.shown, shown, latency_ms, is_file=question.is_file)
