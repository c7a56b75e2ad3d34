"""What a scaffold makes is served by a real Triton, as it is, and answers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from PIL import Image
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import np_to_triton_dtype

from tests.scaffolds.conftest import MADE, ROOT, Made
from tritonzoo.convert.artifact import convert
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.repository import Model, Repository
from tritonzoo.runtime.tensors import NUMPY_DTYPES, fits

pytestmark = pytest.mark.server
OWN = (
    "sentiment_tokenizer",
    "sentiment",
    "sentiment_label",
)  # of this project: members of the default ensemble


def names_of(made: Made) -> str:
    """The model to call: a backend's first one."""
    return made.answers.get("example", f"{made.name}_example") if made.kind == "backend" else made.name


@pytest.fixture(scope="module")
def triton(scaffolded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTriton]:
    repository = Repository(scaffolded)
    for made in MADE:
        if made.kind == "exported_model":
            convert(repository, repository.model(made.name), "starter")
    for name in OWN:
        link_artifacts(ROOT / "model_repository" / name, scaffolded / "model_repository" / name)
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        server = EmbeddedTriton(
            ServeOptions(root=scaffolded, ports=Ports.free(), log_file=folder / "triton.log")
        )
        server.start()
    with server:
        yield server


def link_artifacts(source: Path, target: Path) -> None:
    """What `make setup` made of this project's own models."""
    for path in (*source.glob("1/*.*"), *source.glob("*.lock"), *source.glob("ledger.json")):
        if path.is_file() and path.name != ".gitkeep":
            (target / path.relative_to(source)).symlink_to(path)


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.name)
def test_it_answers_as_its_configuration_says(triton: EmbeddedTriton, made: Made) -> None:
    model = Repository(triton.options.root).model(names_of(made))
    rows = 1 if model.config.max_batch_size > 0 else None
    with grpcclient.InferenceServerClient(triton.grpc_url) as client:
        answer = client.infer(model.name, inputs_of(model, made, rows), client_timeout=60)

    for tensor in model.config.output:
        shape = answer.as_numpy(tensor.name).shape
        assert fits(shape, list(tensor.dims) if rows is None else [rows, *tensor.dims]), (tensor.name, shape)


def inputs_of(model: Model, made: Made, rows: int | None) -> list[grpcclient.InferInput]:
    """One row of ones, of text, or of a picture, by what the scaffold was asked for."""
    sent = []
    for tensor in model.config.input:
        dims = [3 if dim == -1 else dim for dim in tensor.dims]
        shape = dims if rows is None else [rows, *dims]
        data_type = model_config_pb2.DataType.Name(tensor.data_type)
        if data_type == "TYPE_STRING":
            values = np.full(
                shape, picture() if made.answers.get("kind") == "image" else b"Well done", object
            )
        else:
            values = np.ones(shape, NUMPY_DTYPES[data_type])
        entry = grpcclient.InferInput(tensor.name, shape, np_to_triton_dtype(values.dtype))
        entry.set_data_from_numpy(values)
        sent.append(entry)
    return sent


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 4), "grey").save(file, "PNG")
    return file.getvalue()
