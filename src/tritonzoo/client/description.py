"""What a pipeline takes and gives, read from the server's model configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PIPELINE_PREFIX = "ensemble_"


@dataclass(frozen=True)
class Tensor:
    """One input or output: `dims` without the batch axis, -1 where the size varies."""

    name: str
    datatype: str  # Triton's: "BYTES", "FP32", "INT64", ...
    dims: tuple[int, ...]
    optional: bool = False

    @classmethod
    def from_config(cls, tensor: Mapping[str, Any]) -> Tensor:
        """Read one `input` or `output` entry of a model configuration."""
        datatype = str(tensor["data_type"]).removeprefix("TYPE_")
        return cls(
            name=tensor["name"],
            datatype="BYTES" if datatype == "STRING" else datatype,
            dims=tuple(int(dim) for dim in tensor["dims"]),
            optional=bool(tensor.get("optional", False)),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.datatype} {list(self.dims)}{' (optional)' if self.optional else ''}"


@dataclass(frozen=True)
class Pipeline:
    """A pipeline, or any model, as the server describes it."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch_size: int  # rows in one request; 0: no batch axis
    is_ensemble: bool = True
    artifact: str = (
        ""  # the file that the server loaded, such as model.int8.onnx; empty: its backend's default
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Pipeline:
        """Read a model configuration as Triton gives it in JSON, over either protocol."""
        return cls(
            name=config["name"],
            inputs=tuple(Tensor.from_config(tensor) for tensor in config.get("input", ())),
            outputs=tuple(Tensor.from_config(tensor) for tensor in config.get("output", ())),
            max_batch_size=int(config.get("max_batch_size", 0)),
            is_ensemble=config.get("platform") == "ensemble",
            artifact=config.get("default_model_filename", ""),
        )

    @property
    def is_pipeline(self) -> bool:
        """Whether clients call it, as against a model that only serves as a member.

        A pipeline is an ensemble; one written in Python says it by its name.
        """
        return self.is_ensemble or self.name.startswith(PIPELINE_PREFIX)

    @property
    def takes(self) -> str:
        """Its inputs in words: `text BYTES [1]`."""
        return ", ".join(map(str, self.inputs))

    def input(self, name: str) -> Tensor | None:
        """The input of that name, None where it has none."""
        return next((tensor for tensor in self.inputs if tensor.name == name), None)

    def output(self, name: str) -> Tensor | None:
        """The output of that name, None where it has none."""
        return next((tensor for tensor in self.outputs if tensor.name == name), None)
