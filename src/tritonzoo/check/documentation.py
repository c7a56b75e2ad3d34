"""The table of rules in docs/check.md, made of the rules' docstrings.

`python -m tritonzoo.check.documentation docs/check.md` writes it anew; a test fails where it is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tritonzoo.check.rule import Rule
from tritonzoo.check.rules import MODULES, RULES

BEGIN, END = "<!-- rules: made by python -m tritonzoo.check.documentation -->", "<!-- end of rules -->"


def rules_in_markdown() -> str:
    """A heading and a table for each module of rules."""
    parts = []
    for module in MODULES:
        title = (module.__doc__ or "").partition("\n")[0].removeprefix("Rules about ").partition(":")[0]
        group = module.__name__.rpartition(".")[2]
        parts += [f"### {title[0].upper()}{title[1:].rstrip('.')}", "", "| rule | | what holds, and why |"]
        parts += ["|---|---|---|", *(_row(rule) for rule in RULES if rule.group == group), ""]
    return "\n".join(parts).rstrip()


def _row(rule: Rule) -> str:
    text = f"{rule.summary} {rule.why}".rstrip().replace("|", "\\|")
    return f"| `{rule.id}` | {rule.severity.value} | {text} |"


def with_rules(page: str) -> str:
    """The page with the table between its markers made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{rules_in_markdown()}\n\n{END}{after}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(with_rules(path.read_text("utf-8")), "utf-8")
