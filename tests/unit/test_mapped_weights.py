"""Large weights are used where they lie in the file: not copied, and not changed."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tritonzoo.convert.aligned import align_weights
from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.runtime.onnx.mapped import ALIGNMENT_BYTES, FOLDER_ENTRY, graph_with_mapped_weights
from tritonzoo.runtime.onnx.session import open_session
from tritonzoo.runtime.parameters import Parameters

ROWS, WIDTH = 400, 300  # of a table of 480 kB
TABLE_MIB = 64


def lookup(name: str = "table", rows: int = ROWS, width: int = WIDTH) -> onnx.ModelProto:
    """Rows of a large table, plus a small one."""
    rng = np.random.default_rng(3)
    constants = [
        numpy_helper.from_array(rng.normal(size=(rows, width)).astype(np.float32), name),
        numpy_helper.from_array(rng.normal(size=width).astype(np.float32), "bias"),
        numpy_helper.from_array(rng.normal(size=(width, width)).astype(np.float32), "turned"),
    ]
    nodes = [
        helper.make_node("Gather", [name, "row"], ["x"]),
        helper.make_node("MatMul", ["x", "turned"], ["y"]),
        helper.make_node("Add", ["y", "bias"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "lookup",
        [helper.make_tensor_value_info("row", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", width])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def saved(folder: Path, model: onnx.ModelProto, *, aligned: bool = True) -> Path:
    file = folder / "model.onnx"
    onnx.save(model, file)
    if aligned:
        align_weights(file)
    return file


def opened(file: Path) -> onnxruntime.InferenceSession:
    config: dict[str, Any] = {"instance_group": [{"count": 1}]}
    return open_session(file, config, Parameters(config), "CPU", 0, logging.getLogger())


def without_comments(file: Path) -> bytes:
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        tensor.ClearField("doc_string")
    return bytes(model.SerializeToString(deterministic=True))


@pytest.mark.parametrize("letters", range(1, 12))  # each moves what follows it by a byte
def test_aligning_moves_every_large_weight_and_changes_none(tmp_path: Path, letters: int) -> None:
    model = lookup("t" * letters)
    file = saved(tmp_path, model, aligned=False)
    before = without_comments(file)

    align_weights(file)

    content = file.read_bytes()
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > 1 << 16:
            assert content.index(tensor.raw_data) % ALIGNMENT_BYTES == 0, tensor.name
    assert without_comments(file) == before
    onnx.checker.check_model(file, full_check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx"]


def test_a_weights_own_comment_survives_aligning(tmp_path: Path) -> None:
    model = lookup()
    model.graph.initializer[0].doc_string = "of the starter"

    file = saved(tmp_path, model)

    assert onnx.load(file).graph.initializer[0].doc_string == "of the starter"


def test_the_graph_names_the_place_of_each_large_weight_in_the_file(tmp_path: Path) -> None:
    model = lookup()
    file = saved(tmp_path, model)

    graph = graph_with_mapped_weights(file)

    assert graph is not None
    assert len(graph) < 3000  # the weights have 840 kB
    content = file.read_bytes()
    table, bias, turned = onnx.load_from_string(graph).graph.initializer
    for mapped, weight in ((table, model.graph.initializer[0]), (turned, model.graph.initializer[2])):
        assert mapped.data_location == TensorProto.EXTERNAL
        place = {entry.key: entry.value for entry in mapped.external_data}
        assert place["location"] == "model.onnx"
        start = int(place["offset"])
        assert content[start : start + int(place["length"])] == weight.raw_data
    assert bias.raw_data == model.graph.initializer[1].raw_data


def test_answers_are_those_of_the_file_itself_to_the_bit(tmp_path: Path) -> None:
    file = saved(tmp_path, lookup())
    rows = np.arange(ROWS)

    session = opened(file)

    assert session.get_session_options().get_session_config_entry(FOLDER_ENTRY) == str(tmp_path)
    plain = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert np.array_equal(session.run(None, {"row": rows})[0], plain.run(None, {"row": rows})[0])


def test_a_weight_that_lies_askew_is_copied_as_ever(tmp_path: Path) -> None:
    file = saved(tmp_path, lookup(), aligned=False)
    content = file.read_bytes()
    assert all(
        content.index(tensor.raw_data) % ALIGNMENT_BYTES
        for tensor in lookup().graph.initializer
        if len(tensor.raw_data) > 1 << 16
    )

    assert graph_with_mapped_weights(file) is None
    assert opened(file).run(None, {"row": np.arange(3)})[0].shape == (3, WIDTH)


def test_weights_in_a_file_of_their_own_stay_there(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    onnx.save(lookup(), file, save_as_external_data=True, location="weights.bin", size_threshold=1024)

    assert graph_with_mapped_weights(file) is None
    assert opened(file).run(None, {"row": np.arange(3)})[0].shape == (3, WIDTH)


def test_a_file_that_breaks_off_is_refused_by_its_name(tmp_path: Path) -> None:
    file = saved(tmp_path, lookup())
    file.write_bytes(file.read_bytes()[:-100_000])

    assert graph_with_mapped_weights(file) is None
    with pytest.raises(ConfigurationError, match=re.escape(str(file))):
        opened(file)


def test_what_is_not_used_of_a_large_table_takes_no_memory(tmp_path: Path) -> None:
    width = 64
    file = saved(tmp_path, lookup(rows=TABLE_MIB * 2**20 // 4 // width, width=width))
    before = anonymous_mib()

    session = opened(file)
    session.run(None, {"row": np.arange(8)})

    assert anonymous_mib() - before < TABLE_MIB / 4


def anonymous_mib() -> float:
    found = re.search(r"^Anonymous:\s+(\d+) kB", Path("/proc/self/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
