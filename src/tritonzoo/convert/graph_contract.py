"""The inputs and outputs a graph must have: what is not declared is not proved, hence not served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tritonzoo.convert.declared import Declared
from tritonzoo.convert.graph import forget_shapes
from tritonzoo.convert.graph_names import graphs, rename_tensors
from tritonzoo.convert.graph_shapes import Dim, dims_of, inferred_outputs, set_dims
from tritonzoo.convert.opset import ir_version_of
from tritonzoo.errors import ConversionError
from tritonzoo.recipe import Shapes

if TYPE_CHECKING:
    from onnx import ModelProto

BATCH = "batch"


@dataclass(frozen=True)
class GraphContract:
    """What a graph must look like from outside.

    Args:
        inputs: names, in the order in which the source model takes them.
        outputs: names, in the order in which it gives them.
        shapes: which axes of each input vary, from the recipe.
        declared: what `config.pbtxt` says of the tensors; a tensor left out is not held to it.
        batched: axis 0 is the batch of every tensor.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    shapes: Mapping[str, Shapes]
    declared: Mapping[str, Declared] = field(default_factory=dict)
    batched: bool = True

    def input_dims(self, name: str) -> tuple[int | str, ...]:
        """An input's extents: a number where it is fixed, a name where it varies ("batch", "input_ids_1")."""
        shapes = self.shapes[name]
        return tuple(
            (BATCH if axis == 0 and self.batched else f"{name}_{axis}")
            if axis in shapes.dynamic_axes
            else extent
            for axis, extent in enumerate(shapes.opt)
        )

    @property
    def batch_varies(self) -> bool:
        return self.batched and any(0 in self.shapes[name].dynamic_axes for name in self.inputs)

    def fixed_axis_fault(self, name: str, axis: int, extent: int) -> str:
        """Why an input's axis that should vary may not be a constant of the graph, and how to mend it."""
        shapes = self.shapes[name]
        return (
            f"axis {axis} of input {name} is fixed at {extent}, but varies from {shapes.min[axis]} to "
            f"{shapes.max[axis]} in the recipe's shapes: {_MEND_BAKED}"
        )

    def settle(self, model: ModelProto) -> None:
        """Name the graph's tensors as declared, drop what exporters leave lying about, and check the rest.

        Traces of the exporting machine (file paths, source lines) and the extents noted for inner tensors go.

        Raises:
            ConversionError: the graph takes or gives something else than declared.
        """
        forget_shapes(model)
        _forget_origins(model)
        self._require_counts(model)
        rename_tensors(model, self.inputs, self.outputs)
        unused = set(self.inputs) - _read_by(model)
        if unused:
            raise ConversionError(_not_used(sorted(unused)))
        faults = [*self._input_faults(model), *self._settle_outputs(model)]
        if faults:
            raise ConversionError("the graph is not the declared one: " + "; ".join(faults))
        model.ir_version = max(ir_version_of(opset.version) for opset in _standard(model))

    def _require_counts(self, model: ModelProto) -> None:
        found = [tensor.name for tensor in model.graph.input]
        if len(found) < len(self.inputs) and set(found) <= set(self.inputs):
            raise ConversionError(_not_used([name for name in self.inputs if name not in found]))
        for kind, names, declared in (
            ("inputs", found, list(self.inputs)),
            ("outputs", [tensor.name for tensor in model.graph.output], list(self.outputs)),
        ):
            if len(names) != len(declared):
                raise ConversionError(
                    f"the graph has {len(names)} {kind} ({', '.join(names)}), but config.pbtxt declares "
                    f"{len(declared)} ({', '.join(declared)}); make load() return a model with exactly these"
                )

    def _input_faults(self, model: ModelProto) -> Iterator[str]:
        for tensor in model.graph.input:
            name, found, wanted = tensor.name, dims_of(tensor), self.input_dims(tensor.name)
            yield from self._type_faults("input", tensor)
            if found is None or len(found) != len(wanted):
                rank = "no rank" if found is None else f"{len(found)} axes"
                yield f"input {name} has {rank}, but the recipe's shapes give {len(wanted)}"
                continue
            for axis, (is_, should) in enumerate(zip(found, wanted, strict=True)):
                if isinstance(is_, int) and isinstance(should, str):
                    yield self.fixed_axis_fault(name, axis, is_)
                elif not isinstance(is_, int) and isinstance(should, int):
                    yield (
                        f"axis {axis} of input {name} varies, but the recipe's shapes fix it at {should}: "
                        f"give it a range there (min below max), or fix it in the source model"
                    )
                elif isinstance(is_, int) and is_ != should:
                    yield f"axis {axis} of input {name} is {is_}, but the recipe's shapes fix it at {should}"
            set_dims(tensor, wanted)

    def _settle_outputs(self, model: ModelProto) -> Iterator[str]:
        """Label outputs with what follows from the graph and from `config.pbtxt`; yield contradictions."""
        inferred = inferred_outputs(model)
        for tensor in model.graph.output:
            name = tensor.name
            yield from self._type_faults("output", tensor)
            declared = self.declared[name].dims if name in self.declared else None
            found = inferred[name] or dims_of(tensor)
            if found is None:
                yield f"output {name} has a rank that does not follow from the graph"
            elif declared is not None and len(found) != len(declared):
                yield f"output {name} has {len(found)} axes, but config.pbtxt declares {len(declared)}"
            else:
                declared = declared or (-1,) * len(found)
                for axis, dim in enumerate(found):
                    yield from self._output_axis_faults(name, axis, dim, declared[axis])
                axes = zip(found, declared, strict=True)
                set_dims(tensor, tuple(self._label(name, axis, *dims) for axis, dims in enumerate(axes)))

    def _output_axis_faults(self, name: str, axis: int, found: Dim, declared: int) -> Iterator[str]:
        if axis == 0 and self.batch_varies:
            if isinstance(found, int):
                yield f"axis 0 of output {name} is fixed at {found}, but the batch varies: {_MEND_BAKED}"
        elif declared > 0 and isinstance(found, int) and found != declared:
            yield f"axis {axis} of output {name} is {found}, but config.pbtxt says {declared}"
        elif declared > 0 and found in self._varying_inputs():
            yield (
                f"axis {axis} of output {name} varies with {found}, but config.pbtxt fixes it at {declared}: "
                f"declare -1 there"
            )

    def _label(self, name: str, axis: int, found: Dim, declared: int) -> Dim:
        if axis == 0 and self.batch_varies:
            return BATCH
        if declared > 0:
            return declared
        return found if found in self._varying_inputs() or isinstance(found, int) else f"{name}_{axis}"

    def _varying_inputs(self) -> set[str]:
        return {dim for name in self.inputs for dim in self.input_dims(name) if isinstance(dim, str)}

    def _type_faults(self, kind: str, tensor: Any) -> Iterator[str]:
        from onnx import TensorProto

        found = TensorProto.DataType.Name(tensor.type.tensor_type.elem_type)
        declared = self.declared.get(tensor.name)
        if declared is not None and declared.data_type != found:
            yield f"{kind} {tensor.name} is {found}, but config.pbtxt declares {declared.data_type}"


_MEND_BAKED = (
    "the traced extent became a constant; compute with x.shape or -1 instead of a Python number in load()'s "
    "module"
)


def _not_used(names: Sequence[str]) -> str:
    return (
        f"the exporter dropped {', '.join(names)}, which the model does not use; use it in load()'s model, "
        f"or take it out of config.pbtxt and the recipe's shapes"
    )


def _read_by(model: ModelProto) -> set[str]:
    return {name for graph in graphs(model.graph) for node in graph.node for name in node.input}


def _standard(model: ModelProto) -> list[Any]:
    return [opset for opset in model.opset_import if opset.domain in ("", "ai.onnx")]


def _forget_origins(model: ModelProto) -> None:
    """Drop stack traces and paths of the machine that exported, which also change from run to run."""
    del model.metadata_props[:]
    model.doc_string = ""
    for graph in graphs(model.graph):
        del graph.metadata_props[:]
        graph.doc_string = ""
        for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
            del part.metadata_props[:]
            part.doc_string = ""
