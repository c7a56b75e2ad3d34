"""`OnnxFromKeras`: a Keras or TensorFlow model becomes one ONNX file, named as in `config.pbtxt`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonzoo.convert.exported import Exported, ToOnnxFile, reason_of, write_exported
from tritonzoo.convert.opset import KERAS_HIGHEST
from tritonzoo.convert.quiet import quiet
from tritonzoo.errors import ConversionError

if TYPE_CHECKING:
    import numpy.typing as npt

    Call = Callable[[Mapping[str, Any]], tuple[Any, ...]]  # named tensors -> outputs in declared order

NEEDS_KERAS = "converting a TensorFlow or Keras model needs {}; pip install 'tritonzoo[keras]'"


@dataclass(frozen=True)
class OnnxFromKeras(ToOnnxFile):
    """Export a Keras model, a SavedModel or a `tf.Module` with tf2onnx, up to opset 18.

    A model of several inputs must call its own as `config.pbtxt` does; outputs are taken in the model's
    order, or by the keys of the dict that it returns.
    """

    def __post_init__(self) -> None:
        if self.opset > KERAS_HIGHEST:
            raise ConversionError(
                f"tf2onnx writes opset {KERAS_HIGHEST} at most, not {self.opset}; pin a lower one in the "
                f"recipe"
            )

    def export(self, source: Any, example: Mapping[str, npt.NDArray[Any]], path: Path) -> Exported:
        """Write the graph of `source` to `path`; of `example` only the inputs' types are taken.

        Raises:
            ConversionError: tf2onnx is not installed or cannot export it, a weight is NaN, the graph is not
                the declared one, or the file cannot be written.
        """
        tf, tf2onnx = _tensorflow(), _tf2onnx()
        call = call_by_name(source, self.inputs, self.outputs)
        signature = [
            tf.TensorSpec(
                [None if isinstance(dim, str) else dim for dim in self.contract.input_dims(name)],
                example[name].dtype,
                name=name,
            )
            for name in self.inputs
        ]
        try:
            traced = tf.function(
                lambda *tensors: call(dict(zip(self.inputs, tensors, strict=True))), input_signature=signature
            )
            with quiet():
                model, _ = tf2onnx.convert.from_function(traced, input_signature=signature, opset=self.opset)
        except Exception as error:
            raise ConversionError(f"tf2onnx could not export the model ({reason_of(error)})") from error
        self.contract.settle(model)
        return write_exported(model, path, f"tf2onnx {tf2onnx.__version__}")


def run_keras(source: Any, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[..., Any]:
    """The source model as a function from named arrays to named arrays: the reference of its artifacts."""
    tf = _tensorflow()
    call = call_by_name(source, inputs, outputs)

    def run(sample: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        answers = call({name: tf.constant(sample[name]) for name in inputs})
        return {name: answer.numpy() for name, answer in zip(outputs, answers, strict=True)}

    return run


def call_by_name(source: Any, inputs: Sequence[str], outputs: Sequence[str]) -> Call:
    """One way to call a Keras model, a loaded SavedModel and a `tf.Module` alike.

    Raises:
        ConversionError: which tensor is which cannot be told, or the number of outputs is another.
    """
    feed = _feeder(source, inputs)

    def call(tensors: Mapping[str, Any]) -> tuple[Any, ...]:
        answers = feed(tensors)
        if isinstance(answers, Mapping) and set(answers) == set(outputs):
            return tuple(answers[name] for name in outputs)
        given = tuple(answers.values()) if isinstance(answers, Mapping) else answers
        given = tuple(given) if isinstance(given, list | tuple) else (given,)
        if len(given) != len(outputs) or (len(outputs) > 1 and isinstance(answers, Mapping)):
            found = ", ".join(answers) if isinstance(answers, Mapping) else str(len(given))
            raise ConversionError(
                f"the model gives the outputs {found}, but config.pbtxt declares {', '.join(outputs)}; make "
                f"load() return a model with exactly these"
            )
        return given

    return call


def _feeder(source: Any, inputs: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    if hasattr(source, "signatures"):  # tf.saved_model.load
        serve = source.signatures["serving_default"]
        own = list(serve.structured_input_signature[1])
        names = _matched(own, inputs)
        return lambda tensors: serve(**{names[name]: tensor for name, tensor in tensors.items()})
    if hasattr(source, "inputs") and source.inputs:  # a built Keras model
        own = [tensor.name.partition(":")[0] for tensor in source.inputs]
        back = {mine: theirs for theirs, mine in _matched(own, inputs).items()}
        if len(own) == 1:
            return lambda tensors: source(tensors[inputs[0]], training=False)
        return lambda tensors: source([tensors[back[name]] for name in own], training=False)
    return lambda tensors: source(*(tensors[name] for name in inputs))  # tf.Module, in forward order


def _matched(own: Sequence[str], inputs: Sequence[str]) -> dict[str, str]:
    """Declared name -> the model's own: the same, or the only one."""
    if len(own) == len(inputs) == 1:
        return {inputs[0]: own[0]}
    if set(own) != set(inputs):
        raise ConversionError(
            f"the model's inputs are called {', '.join(own)}, config.pbtxt's {', '.join(inputs)}; give the "
            f"model's Input layers these names, so that none is taken for another"
        )
    return {name: name for name in inputs}


def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings of its kernels are not about the model
    try:
        import tensorflow
    except ImportError as error:
        raise ConversionError(NEEDS_KERAS.format("tensorflow")) from error
    return tensorflow


def _tf2onnx() -> Any:
    try:
        import tf2onnx
    except ImportError as error:
        raise ConversionError(NEEDS_KERAS.format("tf2onnx")) from error
    return tf2onnx
