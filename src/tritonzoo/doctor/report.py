"""`tritonzoo doctor` as a person sees it."""

from __future__ import annotations

from rich.markup import escape

from tritonzoo.doctor.examination import examine
from tritonzoo.doctor.finding import Verdict
from tritonzoo.progress import console

STYLES = {Verdict.FINE: "green", Verdict.NOTE: "yellow", Verdict.WRONG: "red"}


def report() -> bool:
    """Print each finding as it is made; False when something is wrong."""
    is_well = True
    for finding in examine():
        mark = f"[{STYLES[finding.verdict]}]{finding.verdict.value}[/]"
        console.print(f"{mark} {finding.subject}: {escape(finding.says)}", soft_wrap=True)
        if finding.remedy:
            console.print(f"    {escape(finding.remedy)}", soft_wrap=True)
        is_well &= finding.verdict is not Verdict.WRONG
    return is_well
