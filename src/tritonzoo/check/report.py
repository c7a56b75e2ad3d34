"""Findings as a person, a program, or an editor and a pull request want them: text, JSON, SARIF."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.text import Text

from tritonzoo.check.finding import Finding, Severity
from tritonzoo.check.rule import Rule

_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_STYLES = {Severity.ERROR: ("✗", "red"), Severity.WARNING: ("!", "yellow")}


def print_findings(findings: Sequence[Finding], folders: int, console: Console) -> None:
    """One finding after another, then how many there are."""
    for finding in findings:
        mark, style = _STYLES[finding.severity]
        line = Text.assemble(
            (mark, style),
            " ",
            (finding.position, "bold"),
            " ",
            (f"{finding.severity.value}[{finding.rule}]", style),
        )
        console.print(line, soft_wrap=True)
        console.print(Text(f"    {finding.message}"), soft_wrap=True)
        console.print(Text.assemble("    ", ("mend it: ", "dim"), finding.remedy), soft_wrap=True)
    what = f"{folders} models and pipelines"
    if not findings:
        console.print(f"[green]✓[/] {what}, nothing wrong", soft_wrap=True)
        return
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    console.print(
        f"{what}: {_counted(errors, 'error')}, {_counted(len(findings) - errors, 'warning')}", soft_wrap=True
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def json_report(findings: Sequence[Finding], folders: int) -> str:
    """An object of the form that `json_schema` says."""
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    report = {
        "format": 1,
        "tritonzoo": version("tritonzoo"),
        "models": folders,
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": [
            {
                "rule": finding.rule,
                "severity": finding.severity.value,
                "path": finding.path,
                "line": finding.line,
                "column": finding.column,
                "message": finding.message,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `json_report`; it is published in the package."""
    text = files("tritonzoo.check").joinpath("report.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def sarif_report(findings: Sequence[Finding], rules: Sequence[Rule], root: Path) -> str:
    """A log of the Static Analysis Results Interchange Format, version 2.1.0.

    https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
    """
    places = {rule.id: index for index, rule in enumerate(rules)}
    log = {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "tritonzoo check",
                        "semanticVersion": version("tritonzoo"),
                        "rules": [_sarif_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {"ROOT": {"uri": root.resolve().as_uri() + "/"}},
                "results": [_sarif_result(finding, places[finding.rule]) for finding in findings],
            }
        ],
    }
    return json.dumps(log, indent=2, ensure_ascii=False)


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": f"{rule.summary} {rule.why}".strip()},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"tags": [rule.group]},
    }


def _sarif_result(finding: Finding, rule_index: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.path), "uriBaseId": "ROOT"}}
    if finding.line is not None:
        place["region"] = {"startLine": finding.line}
        if finding.column is not None:
            place["region"]["startColumn"] = finding.column
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.severity.value,
        "message": {"text": f"{finding.message}; {finding.remedy}"},
        "locations": [{"physicalLocation": place}],
    }


def _uri(path: str) -> str:
    """A relative URI reference: what cannot stand in one is escaped."""
    return quote(path)
