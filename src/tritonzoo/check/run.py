"""`tritonzoo check`, printed: look at the tree and write the findings to standard output."""

from __future__ import annotations

import contextlib
import sys
from enum import Enum

from rich.console import Console

from tritonzoo.check import RULES, Severity, check
from tritonzoo.check.report import json_report, print_findings, sarif_report
from tritonzoo.check.tree import Tree
from tritonzoo.repository import Repository


class Form(Enum):
    """What the findings are written as."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def run(repository: Repository, form: Form, *, strict: bool) -> bool:
    """Check the tree and print what was found; False where there is an error, if strict also a warning."""
    console = Console(highlight=False)
    with contextlib.redirect_stdout(sys.stderr):  # what a recipe prints is no part of a report
        findings = check(repository)
    folders = len(Tree(repository.root).folders)
    if form is Form.JSON:
        console.out(json_report(findings, folders), highlight=False)
    elif form is Form.SARIF:
        console.out(sarif_report(findings, RULES, repository.root), highlight=False)
    else:
        print_findings(findings, folders, console)
    return not any(strict or finding.severity is Severity.ERROR for finding in findings)
