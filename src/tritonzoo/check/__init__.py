"""`tritonzoo check`: the whole tree, offline: every folder loads, every ensemble fits together.

Nothing is served, downloaded or converted, and no model is imported. Each finding says where, what is wrong,
and how to mend it. The rules are in `rules/`, one function each.
"""

from __future__ import annotations

from tritonzoo.check.finding import Finding, Severity
from tritonzoo.check.rules import RULES
from tritonzoo.check.tree import Tree
from tritonzoo.repository import Repository

__all__ = ["RULES", "Finding", "Severity", "check"]


def check(repository: Repository) -> tuple[Finding, ...]:
    """Every fault of the tree, by file and line; empty when it is sound."""
    tree = Tree(repository.root)
    findings = {
        Finding(
            rule.id,
            rule.severity,
            fault.place.path.relative_to(tree.root).as_posix(),
            fault.place.line,
            fault.place.column,
            fault.message,
            fault.remedy,
        )
        for rule in RULES
        for fault in rule.look(tree)
    }
    return tuple(sorted(findings, key=_order))


def _order(finding: Finding) -> tuple[str, int, int, str, str]:
    return finding.path, finding.line or 0, finding.column or 0, finding.rule, finding.message
