"""What `tritonzoo docs` does and says."""

from __future__ import annotations

from rich.markup import escape

from tritonzoo.pages import REMEDY, differences, write
from tritonzoo.progress import console
from tritonzoo.repository import Repository


def docs(repository: Repository, *, check: bool) -> bool:
    """Write what is stale; with `check` only show it. True unless `check` found something."""
    if not check:
        for path in write(repository):
            console.print(path.relative_to(repository.root), soft_wrap=True)
        return True
    stale = differences(repository)
    if stale:
        console.print(stale, markup=False, highlight=False, soft_wrap=True)
        console.print(f"[bold red]error[/] these pages are not what the tree says; run: {escape(REMEDY)}")
    else:
        console.print("every page of a pipeline is what the tree says")
    return not stale
