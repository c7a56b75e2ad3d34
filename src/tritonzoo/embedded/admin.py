"""The locked model-control API, over gRPC.

Not over HTTP: there Triton loads a model in the thread that also serves other clients' connections, which
would stand still meanwhile. gRPC calls of this kind have a thread of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tritonzoo.embedded.command import GRPC_ADMIN_HEADER
from tritonzoo.errors import ServerError
from tritonzoo.runtime.parameters import RELOAD

READY = "READY"
QUERY_TIMEOUT_S = 3.0
LOAD_TIMEOUT_S = 600.0  # a large model; the call returns when it has loaded


class ModelControl:
    """Load, unload and list models of a running server with its admin key."""

    def __init__(self, grpc_address: str, admin_key: str) -> None:
        # Not shared with other clients of this process, as gRPC would have it: `Drain` counts connections.
        own = [("grpc.use_local_subchannel_pool", 1)]
        self._client = InferenceServerClient(grpc_address, channel_args=own)
        self._headers = {GRPC_ADMIN_HEADER: admin_key}

    def __enter__(self) -> ModelControl:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def index(self) -> Mapping[str, str]:
        """State by model: READY, LOADING, UNLOADING, UNAVAILABLE, or empty for one never loaded."""
        with _told("the list of models"):
            answer = self._client.get_model_repository_index(self._headers, client_timeout=QUERY_TIMEOUT_S)
        return {model.name: model.state for model in answer.models}

    def load(self, name: str, config: str | None = None) -> None:
        """Load a model, or load it anew with the configuration `config` (JSON)."""
        with _told(f"loading {name}"):
            self._client.load_model(name, self._headers, config=config, client_timeout=LOAD_TIMEOUT_S)

    def reload(self, name: str) -> None:
        """Load a model anew although nothing changed.

        Triton skips a load that changes nothing, so the model gets its own configuration with a counter in
        it. It stays available: Triton lets the old one go when the new one is ready.
        """
        with _told(f"reading the configuration of {name}"):
            answer = self._client.get_model_config(
                name, headers=self._headers, as_json=True, client_timeout=QUERY_TIMEOUT_S
            )
        config = answer["config"]
        parameters = config.setdefault("parameters", {})
        count = int(parameters.get(RELOAD, {}).get("string_value", 0)) + 1
        parameters[RELOAD] = {"string_value": str(count)}
        self.load(name, json.dumps(config))

    def unload(self, name: str) -> None:
        """Begin to unload a model; its requests in flight are still answered."""
        with _told(f"unloading {name}"):
            self._client.unload_model(name, self._headers, client_timeout=QUERY_TIMEOUT_S)


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """Turn what a call may raise into a `ServerError` that says what was being done."""
    try:
        yield
    except InferenceServerException as error:
        raise ServerError(f"{doing}: {error.message()}") from error
    except ValueError as error:  # grpc's answer to a call on a channel that was closed meanwhile
        raise ServerError(f"{doing}: {error}") from error
