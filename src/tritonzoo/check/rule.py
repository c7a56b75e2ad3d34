"""A rule: one small function that looks at one folder, or at the whole tree, and yields faults.

    @rule(on=ensembles)
    def ensemble_empty(folder: Folder) -> Iterator[Fault]:
        \"\"\"An ensemble has steps.\"\"\"
        if not folder.config.ensemble_scheduling.step:
            yield folder.fault("has no step", "add one to ensemble_scheduling", "ensemble_scheduling")

The function's name is the rule's id, its docstring is the documentation: the first line says what holds in a
sound tree, the rest why. docs/check.md is generated from them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tritonzoo.check.finding import Fault, Severity
from tritonzoo.check.folder import Folder
from tritonzoo.check.tree import Tree

Look = Callable[[Folder], Iterator[Fault]]
LookAtTree = Callable[[Tree], Iterator[Fault]]


@dataclass(frozen=True)
class Rule:
    """One thing that holds in every sound tree."""

    id: str
    severity: Severity
    group: str  # the module: what the rule looks at
    summary: str
    why: str
    look: Callable[[Tree], Iterator[Fault]]


def rule(*, on: Callable[[Folder], bool], severity: Severity = Severity.ERROR) -> Callable[[Look], Rule]:
    """Make a rule of a function that looks at one folder; it is asked about those for which `on` holds."""

    def decorate(look: Look) -> Rule:
        def look_at_each(tree: Tree) -> Iterator[Fault]:
            for folder in tree.folders:
                if on(folder):
                    yield from look(folder)

        return _rule(look, severity, look_at_each)

    return decorate


def tree_rule(*, severity: Severity = Severity.ERROR) -> Callable[[LookAtTree], Rule]:
    """Make a rule of a function that looks at the whole tree."""
    return lambda look: _rule(look, severity, look)


def _rule(look: Callable[..., Any], severity: Severity, over_tree: LookAtTree) -> Rule:
    summary, _, why = (inspect.getdoc(look) or "").partition("\n\n")
    return Rule(
        id=look.__name__.replace("_", "-"),
        severity=severity,
        group=look.__module__.rpartition(".")[2],
        summary=" ".join(summary.split()),
        why=" ".join(why.split()),
        look=over_tree,
    )


# -- which folders a rule is asked about -------------------------------------------------------------------


def every(folder: Folder) -> bool:
    """Every folder."""
    return True


def readable(folder: Folder) -> bool:
    """Folders whose config.pbtxt parses."""
    return folder.is_readable


def ensembles(folder: Folder) -> bool:
    """Pipelines of steps."""
    return folder.is_readable and folder.is_ensemble


def models(folder: Folder) -> bool:
    """Everything else that a backend runs."""
    return folder.is_readable and not folder.is_ensemble
