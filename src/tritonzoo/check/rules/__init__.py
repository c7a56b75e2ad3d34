"""Every rule, found in the modules of this package in the order in which they are listed."""

from __future__ import annotations

from types import ModuleType

from tritonzoo.check.rule import Rule
from tritonzoo.check.rules import (
    backends,
    batching,
    config,
    ensemble,
    files,
    golden,
    graph,
    imports,
    instances,
    labels,
    layout,
    ledger,
    parameters,
    python,
    recipe,
    tensors,
    warmup,
    wiring,
)

MODULES: tuple[ModuleType, ...] = (
    layout, files, config, tensors, batching, instances, parameters, warmup, labels,
    ensemble, wiring, graph, python, imports, backends, recipe, ledger, golden,
)  # fmt: skip
RULES: tuple[Rule, ...] = tuple(
    value for module in MODULES for value in vars(module).values() if isinstance(value, Rule)
)
