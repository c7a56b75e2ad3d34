"""The benchmark's HTTP caller: what it asks of the server besides the answer."""

from __future__ import annotations

import json

import numpy as np
from aiohttp import web

from tritonzoo.bench.calls import HttpCaller
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.embedded import Ports


async def test_no_compressed_answer_is_asked_for_because_compressing_would_be_measured() -> None:
    asked: list[str | None] = []

    async def infer(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Accept-Encoding"))
        outputs = [{"name": "score", "datatype": "FP32", "shape": [1], "data": [0.5]}]
        answer = web.Response(body=json.dumps({"model_name": "m", "outputs": outputs}).encode())
        answer.enable_compression()  # as Triton does: where the client takes it
        return answer

    app = web.Application()
    app.router.add_post("/v2/models/m/infer", infer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = Ports.free().http
    await web.TCPSite(runner, "127.0.0.1", port).start()
    caller = HttpCaller(Endpoint.parse(f"http://127.0.0.1:{port}", "http"), timeout_s=5)
    try:
        made = caller.make("m", {"text": np.array([b"words"], dtype=np.object_)}, {})
        answer = caller.read(await caller.send(made))
    finally:
        await caller.close()
        await runner.cleanup()

    assert asked == [None]
    assert answer["score"].tolist() == [0.5]
