"""A model behind FastAPI: POST /predict takes {"text": ...} or a file's bytes.

    PEER_TASK=embedding PEER_MODEL=FOLDER PEER_THREADS=1 uvicorn fastapi_app:create --factory --workers 2

Each process answers one request at a time, in a thread beside the event loop.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import orjson
from fastapi import FastAPI, Request, Response

from models import TASKS, TEXT_TASKS


def create() -> FastAPI:
    task = os.environ["PEER_TASK"]
    predict = TASKS[task](os.environ["PEER_MODEL"], int(os.environ["PEER_THREADS"]))
    executor = ThreadPoolExecutor(1)
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/predict")
    async def answer(request: Request) -> Response:
        body = await request.body()
        item = orjson.loads(body)["text"] if task in TEXT_TASKS else body
        (found,) = await asyncio.get_running_loop().run_in_executor(executor, predict, [item])
        return Response(orjson.dumps(found), media_type="application/json")

    return app
