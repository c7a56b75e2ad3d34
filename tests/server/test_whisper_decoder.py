"""whisper_decoder on a real Triton: many callers in one batch, told by Triton's own counters; cancelling."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions

ROOT = Path(__file__).parents[2]
CLIENTS = 16
MODEL = "whisper_decoder"
FOREVER = {"temperatures": "0", "min_new_tokens": 440, "max_new_tokens": 440}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the decoder alone."""
    root, folder = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("triton")
    (root / "model_repository").mkdir()
    (root / "ensembles").mkdir()
    (root / "model_repository" / MODEL).symlink_to(ROOT / "model_repository" / MODEL)
    (root / "backends").symlink_to(ROOT / "backends")
    server = EmbeddedTriton(ServeOptions(root=root, ports=Ports.free(), log_file=folder / "triton.log"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        server.start()
    with server:
        yield server.grpc_url


def width(url: str) -> int:
    """Of the checkpoint, from the sentence that refuses another."""
    with grpcclient.InferenceServerClient(url) as client, pytest.raises(InferenceServerException) as refused:
        decode(client, np.zeros((1, 1, 1), np.float32))
    assert "positions and width of whisper_encoder's answer" in str(refused.value)
    return int(str(refused.value).partition("must have [1500, ")[2].partition("]")[0])


@pytest.fixture(scope="module")
def windows(url: str) -> Any:
    return np.random.default_rng(0).normal(size=(8, 1500, width(url))).astype(np.float32) * 3


def decode(client: Any, encoded: Any, **parameters: Any) -> dict[str, Any]:
    tensor = grpcclient.InferInput("encoded", encoded.shape, "FP32").set_data_from_numpy(encoded)
    answer = client.infer(MODEL, [tensor], parameters=parameters, client_timeout=60)
    return {name: answer.as_numpy(name)[0] for name in ("tokens", "stop_reason", "text")}


def test_sixteen_callers_share_executions_and_each_gets_the_tokens_it_gets_alone(
    url: str, windows: Any
) -> None:
    with grpcclient.InferenceServerClient(url) as client:

        def tokens(job: int) -> list[int]:
            asked = {"temperatures": "0", "max_new_tokens": 20 + 5 * (job % 3), "timestamps": job % 2 == 0}
            return decode(client, windows[job % 8][None], **asked)["tokens"].tolist()

        alone = [tokens(job) for job in range(24)]
        before = client.get_inference_statistics(MODEL).model_stats[0]
        with ThreadPoolExecutor(CLIENTS) as pool:
            together = list(pool.map(tokens, [*range(24)] * 12))
        after = client.get_inference_statistics(MODEL).model_stats[0]
    assert together == alone * 12
    executions = after.execution_count - before.execution_count
    decoded = after.inference_count - before.inference_count
    print(f"{executions / decoded:.3f} executions a window")
    assert decoded == len(together)
    assert executions / decoded <= 0.35


def test_cancelling_a_job_frees_its_rows_and_harms_nobody(url: str, windows: Any) -> None:
    with grpcclient.InferenceServerClient(url) as client, ThreadPoolExecutor(CLIENTS) as pool:
        doomed = [
            pool.submit(decode, client, windows[each % 8][None], job="doomed", **FOREVER)
            for each in range(12)
        ]
        kept = pool.submit(decode, client, windows[0][None], temperatures="0", job="kept", max_new_tokens=40)
        time.sleep(0.3)
        start_s = time.monotonic()
        decode(client, np.zeros((1, 1, 1), np.float32), cancel_job="doomed")
        reasons = {future.result(60)["stop_reason"].item() for future in doomed}
        took_s = time.monotonic() - start_s
        assert kept.result(30)["tokens"].size > 0
        assert reasons <= {b"cancelled", b"length"} and b"cancelled" in reasons
        print(f"cancelled in {1000 * took_s:.0f} ms")


def test_a_caller_who_goes_away_leaves_the_batch(url: str, windows: Any) -> None:
    with grpcclient.InferenceServerClient(url) as client:
        gone = threading.Event()
        tensor = grpcclient.InferInput("encoded", [1, *windows[0].shape], "FP32")
        tensor.set_data_from_numpy(windows[0][None])
        call = client.async_infer(MODEL, [tensor], lambda result, error: gone.set(), parameters=FOREVER)
        time.sleep(0.2)
        call.cancel()
        assert gone.wait(5)
        assert decode(client, windows[1][None], temperatures="0", max_new_tokens=3)["tokens"].size <= 3


def test_a_wrong_parameter_is_that_requests_error_alone(url: str, windows: Any) -> None:
    with grpcclient.InferenceServerClient(url) as client, ThreadPoolExecutor(4) as pool:
        good = [
            pool.submit(decode, client, windows[each][None], temperatures="0", max_new_tokens=9)
            for each in range(3)
        ]
        with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*beam_size is 99"):
            decode(client, windows[3][None], beam_size=99)
        with pytest.raises(
            InferenceServerException, match="holds 2 windows; send each in a request of its own"
        ):
            decode(client, windows[:2])
        assert all(future.result(30)["tokens"].size for future in good)
