"""How bench/peers loads contenders: in turn, over HTTP or in a process, each answer held to the reference."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from bench.peers import alternate, contender
from bench.peers.adapters.in_process import in_process
from bench.peers.alternate import Pace
from bench.peers.contender import Contender, Served
from bench.peers.errors import ContenderError
from bench.peers.json_http import JSON, HttpSender
from bench.peers.process import serving
from bench.peers.sections.section import Group, Peer, Section
from bench.peers.setup import free_port
from bench.peers.window import Window

from tritonzoo.bench.calls import Made, Reply

PEER = Contender("peer", "a peer", "peer", "HTTP")


@pytest.fixture(autouse=True)
def short_ramp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contender, "RAMP_S", 0.1)


@asynccontextmanager
async def answering(answer: Callable[[dict[str, Any]], web.Response]) -> AsyncIterator[str]:
    """A server that answers one request after the other, each after 10 ms."""
    free = asyncio.Lock()

    async def predict(request: web.Request) -> web.Response:
        asked = await request.json()
        async with free:
            await asyncio.sleep(0.01)
        return answer(asked)

    app = web.Application()
    app.router.add_post("/predict", predict)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/predict"
    finally:
        await runner.cleanup()


def served(url: str, wanted: list[str]) -> Served:
    def compare(index: int, reply: Reply) -> float:
        return float(json.loads(reply.body)["label"] == wanted[index])

    requests = [Made(json.dumps({"text": text}).encode(), JSON) for text in ("a", "b", "c")]
    return Served(PEER, HttpSender(url), requests, list, compare)


async def test_every_answer_is_compared_with_that_of_its_own_input() -> None:
    def answer(asked: dict[str, Any]) -> web.Response:
        return web.json_response({"label": asked["text"].upper()})

    async with answering(answer) as url:
        right, wrong = served(url, ["A", "B", "C"]), served(url, ["A", "C", "B"])
        found = [await one.window(4, 0.5, seed=1) for one in (right, wrong)]
        for one in (right, wrong):
            await one.close()

    assert set(right.agreements) == {1.0}
    assert set(wrong.agreements) == {
        0.0,
        1.0,
    }  # two of the three inputs are expected to be answered otherwise
    for window in found:
        assert window.requests_per_s <= 101  # one after the other, 10 ms each
        assert window.p50_ms >= 30  # four wait for each other


async def test_a_failed_request_ends_the_run_with_what_the_server_said() -> None:
    def answer(asked: dict[str, Any]) -> web.Response:
        return web.Response(status=503, text="too busy")

    async with answering(answer) as url:
        one = served(url, ["A", "B", "C"])
        with pytest.raises(ContenderError, match=r"a peer: \d+ requests failed, the first: 503: too busy"):
            await one.window(1, 0.2, seed=1)
        await one.close()


@dataclass
class Recorded:
    """A contender that notes when it is loaded."""

    contender: Contender
    log: list[tuple[str, int, int]]
    agreements: list[float] = field(default_factory=lambda: [1.0])

    async def window(self, clients: int, seconds: float, seed: int) -> Window:
        self.log.append((self.contender.key, clients, seed))
        return Window(1.0, 1.0, 1.0, 1)

    def memory_bytes(self) -> int:
        return 0

    async def close(self) -> None: ...


async def test_contenders_are_loaded_in_turn_round_after_round_with_the_same_seed_in_a_round() -> None:
    log: list[tuple[str, int, int]] = []
    loaded = [Recorded(Contender(key, key, "peer", "HTTP"), log) for key in "ab"]

    found = await alternate._point(loaded, 16, Pace(0.1, rounds=3))

    assert log == [("a", 16, 0), ("b", 16, 0), ("a", 16, 1), ("b", 16, 1), ("a", 16, 2), ("b", 16, 2)]
    assert {key: len(each) for key, each in found["windows"].items()} == {"a": 3, "b": 3}


def test_ours_with_wrong_answers_ends_the_run_and_a_peer_is_marked() -> None:
    section = Section("s", "S", "ensemble_s", (1,), "texts", "the cosine", {"int8": 0.98}, ())
    group = Group("int8", lambda: None, ())  # type: ignore[arg-type, return-value]

    ours = Contender("ours", "ours", "ours", "gRPC")
    assert alternate.agrees(Recorded(ours, [], [0.99, 0.98]), section, group)
    assert not alternate.agrees(Recorded(PEER, [], [0.96, 0.94]), section, group)
    with pytest.raises(ContenderError, match=r"ours, int8: the cosine is 0\.9500 on average, below 0\.98"):
        alternate.agrees(Recorded(ours, [], [0.96, 0.94]), section, group)


PROGRAM = """
import json, sys
print(json.dumps({"ready": "as it is", "tried": {"batch 8": 3.0}}), flush=True)
for line in sys.stdin:
    order = json.loads(line)
    found = {"answers": list(range(order["answer"]))} if "answer" in order else (
        {"answered": 50, "seconds": 2.0, "took_s": [0.01, 0.03, 0.02] if order["clients"] == 1 else []})
    print(json.dumps(found), flush=True)
"""


async def test_a_process_answers_by_lines_and_is_held_to_the_reference_too(tmp_path: Path) -> None:
    def limit(settings: str) -> Contender:
        return Contender("limit", "the limit", "limit", "in-process", settings)

    def compare(index: int, answer: int) -> float:
        return float(index == answer)

    with in_process([sys.executable, "-c", PROGRAM], limit, compare, {}, tmp_path / "log") as one:
        alone, busy = await one.window(1, 1, 0), await one.window(16, 1, 0)

    assert one.contender.settings == "as it is"
    assert one.agreements == [1.0] * contender.KEPT
    assert one.tried == {"batch 8": 3.0}
    assert (alone.requests_per_s, alone.p50_ms) == (25.0, 20.0)
    assert busy.p50_ms != busy.p50_ms  # not measured: all at once
    assert one.process.returncode == 0


def test_a_process_that_ends_at_once_says_why(tmp_path: Path) -> None:
    broken = [sys.executable, "-c", "import sys; sys.exit('no such graph')"]
    with (
        pytest.raises(ContenderError, match="no such graph"),
        in_process(broken, lambda settings: PEER, lambda index, answer: 1.0, {}, tmp_path / "log"),
    ):
        pass


def test_a_server_and_all_that_it_started_end_with_the_block(tmp_path: Path) -> None:
    port = free_port()
    program = (
        "import subprocess, sys, http.server; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        f"print(child.pid, flush=True); http.server.HTTPServer(('127.0.0.1', {port}), "
        "http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    log = tmp_path / "log"
    with serving([sys.executable, "-c", program], f"http://127.0.0.1:{port}/", log):
        child = int(log.read_text().split()[0])
        assert Path(f"/proc/{child}").exists()
    deadline_s = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)

    assert not Path(f"/proc/{child}").exists()


def test_a_server_that_ends_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no model there')"]

    with (
        pytest.raises(ContenderError, match="no model there"),
        serving(command, "http://127.0.0.1:9/", tmp_path / "log"),
    ):
        pass


async def test_settings_that_do_not_start_are_left_out_and_a_stop_is_a_stop(tmp_path: Path) -> None:
    @contextmanager
    def opened(settings: str) -> Iterator[Served]:
        raise KeyboardInterrupt if settings == "stopped" else ContenderError("no such option")
        yield

    section = Section("s", "S", "ensemble_s", (1,), "texts", "the cosine", {}, ())
    group = Group("fp32", lambda: None, ())  # type: ignore[arg-type, return-value]

    assert await alternate.try_settings(section, group, Peer("peer", ("wrong",), opened), 0.1) == {}
    with pytest.raises(KeyboardInterrupt):
        await alternate.try_settings(section, group, Peer("peer", ("stopped",), opened), 0.1)
