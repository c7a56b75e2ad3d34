"""A Python model loaded into this process and called as Triton calls it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tritonzoo.runtime.tensors import Array, TensorSpec, fits, tensor_specs
from tritonzoo.testing import pb_utils
from tritonzoo.testing.model_config import model_config, with_parameters

Outputs = dict[str, Array]


class TritonRequestError(Exception):
    """A request was answered with an error: `code`, such as INVALID_ARG, and `message`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class LoadedModel:
    """A model between `initialize` and `finalize`; a context manager."""

    def __init__(
        self,
        model: Any,
        config: Mapping[str, Any],
        search_path: Sequence[str],
        calls: Mapping[str, pb_utils.Call],
    ) -> None:
        """Use `load_model`. `model` is an initialized TritonPythonModel."""
        self.model = model
        self.config = config
        self._inputs = tensor_specs(config, "input")
        self._search_path = search_path
        self._calls = calls
        self._numbered = 0
        pb_utils.CALLS.update(calls)

    def infer(self, **inputs: Any) -> Outputs:
        """The outputs for one request; raises TritonRequestError when it is answered with an error.

        Arrays carry the batch axis where the model batches. Text may be given as nested lists of str.
        """
        (answer,) = self.infer_batch([inputs])
        if isinstance(answer, TritonRequestError):
            raise answer
        return answer

    def infer_batch(
        self, requests: Sequence[Mapping[str, Any] | pb_utils.InferenceRequest]
    ) -> list[Outputs | TritonRequestError]:
        """Outputs or error of each request, all handed to one `execute`.

        A request that Triton itself refuses (unknown input, wrong data type or shape) does not reach the
        model. Build a request with parameters, id or cancellation with `request`.
        """
        answers: list[Outputs | TritonRequestError | None] = []
        accepted = []
        for request in requests:
            try:
                made = self.request(request) if isinstance(request, Mapping) else request
            except TritonRequestError as refused:
                answers.append(refused)
            else:
                accepted.append(made)
                answers.append(None)
        responses = self._executed(accepted) or self._late(accepted)
        remaining = iter(responses)
        return [_outputs(next(remaining)) if answer is None else answer for answer in answers]

    def stream(
        self, request: Mapping[str, Any] | pb_utils.InferenceRequest
    ) -> Iterator[Outputs | TritonRequestError]:
        """The answers of a decoupled model to one request, each as it is sent."""
        made = self.request(request) if isinstance(request, Mapping) else request
        self._number([made])
        while True:
            if self.model.execute([made]) is not None:
                raise AssertionError(
                    "a decoupled model returned responses from execute, and Triton wants None"
                )
            if not made.comes_again():
                break
            yield from map(_outputs, made.get_response_sender().sent())
        yield from map(_outputs, made.get_response_sender().responses())

    def _executed(self, requests: Sequence[pb_utils.InferenceRequest]) -> list[pb_utils.InferenceResponse]:
        """The responses that `execute` returned, in as many rounds as it wants; none from a late model."""
        self._number(requests)
        responses: dict[int, pb_utils.InferenceResponse] = {}
        places = dict(enumerate(requests))
        while places:
            returned = self.model.execute(list(places.values()))
            if returned is None:
                return []
            if len(returned) != len(places):
                raise AssertionError(f"execute gave {len(returned)} responses to {len(places)} requests")
            for (place, request), response in zip(list(places.items()), returned, strict=True):
                if not request.comes_again():
                    responses[place] = response
                    del places[place]
                elif response is not None:
                    raise AssertionError("a request is to come again, and has a response already")
        return [responses[place] for place in range(len(requests))]

    def _number(self, requests: Sequence[pb_utils.InferenceRequest]) -> None:
        """As Triton does with those of an iterative sequence, where the caller has not."""
        if self.config.get("sequence_batching", {}).get("iterative_sequence"):
            for request in requests:
                if not request.correlation_id():
                    self._numbered += 1
                    request.number_sequence(self._numbered)

    def _late(self, requests: Sequence[pb_utils.InferenceRequest]) -> list[pb_utils.InferenceResponse]:
        """The answers of a model whose `execute` returned None, once they are all there."""
        late = []
        for request in requests:
            responses = list(request.get_response_sender().responses())
            if len(responses) != 1:
                raise AssertionError(f"a request had {len(responses)} responses; `stream` takes any number")
            late += responses
        return late

    def request(
        self,
        inputs: Mapping[str, Any],
        *,
        request_id: str = "",
        parameters: Mapping[str, str | int | bool] | None = None,
        cancelled: bool = False,
        sequence: int | str = 0,
        start: bool = False,
        end: bool = False,
    ) -> pb_utils.InferenceRequest:
        """One request for `infer_batch` or `stream`; raises TritonRequestError where Triton would refuse it.

        `sequence` is the id of the sequence that it belongs to, `start` and `end` its place there.
        """
        arrays = {name: self._array(name, value) for name, value in inputs.items()}
        for spec in self._inputs.values():
            if spec.name not in arrays and not spec.optional:
                raise _refused(f"input '{spec.name}' is missing")
        if self.config["max_batch_size"] > 0:
            sizes = {array.shape[0] for array in arrays.values()}
            if len(sizes) > 1 or not sizes <= set(range(1, self.config["max_batch_size"] + 1)):
                raise _refused(
                    f"batch sizes {sorted(sizes)} with max_batch_size {self.config['max_batch_size']}"
                )
        return pb_utils.InferenceRequest(
            request_id=request_id,
            inputs=[pb_utils.Tensor(name, array) for name, array in arrays.items()],
            requested_output_names=[output["name"] for output in self.config["output"]],
            parameters=parameters,
            cancelled=cancelled,
            correlation_id=sequence,
            flags=start * pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START
            | end * pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END,
        )

    def close(self) -> None:
        """Call the model's `finalize`."""
        if hasattr(self.model, "finalize"):
            self.model.finalize()
        for entry in self._search_path:
            sys.path.remove(entry)
        for name in self._calls:
            pb_utils.CALLS.pop(name, None)

    def __enter__(self) -> LoadedModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _array(self, name: str, value: Any) -> Array:
        spec = self._inputs.get(name)
        if spec is None:
            raise _refused(f"unknown input '{name}'; this model has {sorted(self._inputs)}")
        array = value if isinstance(value, np.ndarray) else np.array(value, dtype=spec.dtype)
        if not _same_type(array, spec):
            raise _refused(f"input '{name}' is {array.dtype}, and the model takes {spec.data_type}")
        if not fits(array.shape, spec.shape):
            raise _refused(f"input '{name}' has shape {list(array.shape)}, not {list(spec.shape)}")
        return array


def load_model(
    folder: str | Path,
    *,
    version: int = 1,
    backends: str | Path | None = None,
    profile: str | None = None,
    parameters: Mapping[str, str] | None = None,
    instance_kind: str = "CPU",
    calls: Mapping[str, pb_utils.Call] | None = None,
) -> LoadedModel:
    """Load the model in `folder` as Triton would, and `initialize` it.

    `backends` holds the Python-based backends; without it the nearest folder `backends` above `folder`
    is used. `profile` chooses configs/<profile>.pbtxt; `parameters` overrides some of config.pbtxt's.
    `calls` answers for the models that this one calls, by name: a function of (inputs, parameters) that
    gives outputs or raises. Raises what the model's own import and `initialize` raise.
    """
    folder = Path(folder).absolute()
    config = with_parameters(model_config(folder, profile), parameters or {})
    source, search_path = _source(folder, config, version, backends)
    # The server's own module wins where there is one; `setdefault` also lets every model share one.
    sys.modules.setdefault("triton_python_backend_utils", pb_utils)
    before = set(sys.modules)
    sys.path.extend(search_path)
    try:
        model = _import(source).TritonPythonModel()
        if hasattr(model, "initialize"):
            model.initialize(_initialize_args(folder, config, version, instance_kind))
    except BaseException:  # also pytest's own, such as a skip: the path must not keep what was not loaded
        for entry in search_path:
            sys.path.remove(entry)
        raise
    finally:
        _forget_siblings(before, search_path)
    return LoadedModel(model, config, search_path, calls or {})


def _source(
    folder: Path, config: Mapping[str, Any], version: int, backends: str | Path | None
) -> tuple[Path, list[str]]:
    """The model.py to load, and what Triton's stub appends to sys.path for it."""
    if config["backend"] == "python":
        version_folder = folder / str(version)
        return version_folder / config["default_model_filename"], [str(version_folder), str(folder)]
    roots = [Path(backends)] if backends is not None else [parent / "backends" for parent in folder.parents]
    for root in roots:
        source = root.absolute() / config["backend"] / "model.py"
        if source.is_file():
            return source, [str(source.parent)]
    raise FileNotFoundError(
        f"no Python-based backend '{config['backend']}' for {folder.name}: there is no"
        f" {config['backend']}/model.py in {', '.join(map(str, roots))}; name the folder with backends="
    )


def _import(source: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"triton_model_{abs(hash(source))}", source)
    if spec is None or spec.loader is None:
        raise ImportError(f"{source} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _forget_siblings(before: set[str], search_path: Sequence[str]) -> None:
    """In Triton each model has its own process, so two models may have siblings of one name."""
    for name in set(sys.modules) - before:
        origin = getattr(sys.modules[name], "__file__", None)
        if origin is not None and str(Path(origin).parent) in search_path:
            del sys.modules[name]


def _initialize_args(
    folder: Path, config: Mapping[str, Any], version: int, instance_kind: str
) -> dict[str, str]:
    return {
        "model_config": json.dumps(config),
        "model_instance_kind": instance_kind,
        "model_instance_name": f"{config['name']}_0_0",
        "model_instance_device_id": "0",
        "model_repository": str(folder),
        "model_version": str(version),
        "model_name": config["name"],
    }


def _outputs(response: pb_utils.InferenceResponse) -> Outputs | TritonRequestError:
    error = response.error()
    if error is not None:
        return TritonRequestError(error.code().name, error.message())
    return {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}


def _same_type(array: Array, spec: TensorSpec) -> bool:
    return array.dtype == spec.dtype or (spec.data_type == "TYPE_STRING" and array.dtype.kind == "S")


def _refused(sentence: str) -> TritonRequestError:
    return TritonRequestError("INVALID_ARG", sentence)
