"""Each Python process of the real tree is killed in turn under load: it comes back, and nobody else notices."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tritonzoo import Client
from tritonzoo.embedded import EmbeddedTriton
from tritonzoo.embedded.stubs import find_stubs
from tritonzoo.errors import CallError
from tritonzoo.repository import Repository
from tritonzoo.samples import samples

BACK_WITHIN_S = 30  # on a quiet machine 1 to 3 s: the figures are printed
CLIENTS = 4


@dataclass
class Tally:
    """What the clients of one pipeline have seen."""

    answers: int = 0
    errors: list[str] = field(default_factory=list)


@contextmanager
def load(triton: EmbeddedTriton, pipelines: list[str]) -> Iterator[dict[str, Tally]]:
    """Clients that call each of the pipelines all the while."""
    repository, done = Repository(triton.options.root), threading.Event()
    tallies = {name: Tally() for name in pipelines}

    def call(name: str) -> None:
        sample = samples(repository, repository.pipelines[name])[0]
        with Client(triton.grpc_url, timeout_s=120) as client:
            while not done.is_set():
                try:
                    client.infer(name, {sample.tensor: sample.value})
                    tallies[name].answers += 1
                except CallError as error:
                    tallies[name].errors.append(str(error))

    with ThreadPoolExecutor(CLIENTS * len(pipelines)) as pool:
        running = [pool.submit(call, name) for name in pipelines for _ in range(CLIENTS)]
        try:
            yield tallies
        finally:
            done.set()
        for future in running:
            future.result()


def settle(tallies: Iterable[Tally], quiet_s: float = 2, at_most_s: float = 30) -> None:
    """Wait until no call fails any more: those that a dead stub had in hand fail one after another."""
    deadline, since_s, before = time.monotonic() + at_most_s, time.monotonic(), None
    tallies = list(tallies)
    while time.monotonic() < deadline:
        errors = [len(tally.errors) for tally in tallies]
        if errors != before:
            since_s, before = time.monotonic(), errors
        elif time.monotonic() - since_s > quiet_s:
            return
        time.sleep(0.05)
    raise AssertionError(f"calls still fail: {[tally.errors[-1:] for tally in tallies]}")


def wait_for(tally: Tally, answers: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if tally.answers >= answers:
            return True
        time.sleep(0.02)
    return False


def test_every_stub_killed_in_turn_comes_back_and_the_others_lose_nothing(triton: EmbeddedTriton) -> None:
    repository = Repository(triton.options.root)
    users = {
        model: [
            name for name in repository.pipelines if repository.model(model) in repository.closure([name])
        ]
        for model in {stub.model for stub in find_stubs(triton.pid, triton.models)}
    }
    assert set(users) == {model.name for model in triton.models if not model.is_ensemble}

    with load(triton, list(repository.pipelines)) as tallies:
        for model, concerned in sorted(users.items()):
            others = [tally for name, tally in tallies.items() if name not in concerned]
            settle(tallies.values())
            assert all(wait_for(tally, tally.answers + 1, seconds=30) for tally in tallies.values())
            stubs = [stub for stub in find_stubs(triton.pid, triton.models) if stub.model == model]
            lost = [len(tally.errors) for tally in others]

            for stub in stubs:  # one for each instance
                os.kill(stub.pid, signal.SIGKILL)
            killed_s = time.monotonic()
            while any(stub.is_alive for stub in stubs):
                time.sleep(0.01)
            for name in concerned:
                answered = tallies[name].answers
                left_s = BACK_WITHIN_S - (time.monotonic() - killed_s)
                assert wait_for(tallies[name], answered + CLIENTS + 1, left_s), f"{name} without {model}"
            print(f"{model}: answered again after {time.monotonic() - killed_s:.1f} s")

            assert [len(tally.errors) for tally in others] == lost, f"{model} was killed"

    until_s = time.monotonic() + BACK_WITHIN_S  # the last one is counted when it is ready
    while len(triton.restarts) < len(users) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert triton.restarts == dict.fromkeys(users, 1)
