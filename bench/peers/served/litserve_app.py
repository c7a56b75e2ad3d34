"""A model behind LitServe, which batches requests: POST /predict takes {"text": ...} or {"file": base64}.

python litserve_app.py TASK MODEL PORT --batch 32 --wait-ms 5 --processes 1 --threads 2
"""

from __future__ import annotations

import argparse
import base64
from typing import Any

import litserve

from models import TASKS, TEXT_TASKS


class Api(litserve.LitAPI):
    def __init__(self, task: str, model: str, threads: int, batch: int, wait_s: float) -> None:
        super().__init__(max_batch_size=batch, batch_timeout=wait_s)
        self.task, self.model, self.threads, self.at_once = task, model, threads, batch

    def setup(self, device: str) -> None:
        self.run = TASKS[self.task](self.model, self.threads)

    def decode_request(self, request: dict[str, str]) -> Any:
        return request["text"] if self.task in TEXT_TASKS else base64.b64decode(request["file"])

    def predict(self, inputs: Any) -> Any:
        return self.run(inputs) if self.at_once > 1 else self.run([inputs])[0]

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("model")
    parser.add_argument("port", type=int)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--wait-ms", type=float, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fast-queue", action="store_true")
    arguments = parser.parse_args()
    api = Api(arguments.task, arguments.model, arguments.threads, arguments.batch, arguments.wait_ms / 1e3)
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        devices=1,
        workers_per_device=arguments.processes,
        timeout=120,
        fast_queue=arguments.fast_queue,
    )
    server.run(
        host="127.0.0.1", port=arguments.port, generate_client_file=False, log_level="warning",
        access_log=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
