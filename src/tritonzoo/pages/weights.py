"""Where the weights of a pipeline come from, under which licence, and what was measured of them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tritonzoo.recipe import Source, Starter
from tritonzoo.repository import Model, Repository

_IN_SHORT = re.compile(r"^\*\*In short:\*\* (?P<weights>[^:\n]+): (?P<measured>.+?)\.?$", re.MULTILINE)


@dataclass(frozen=True)
class InShort:
    """The line `**In short:** WEIGHTS: WHAT WAS MEASURED.` of a README."""

    readme: Path
    weights: str
    measured: str

    @classmethod
    def read(cls, readme: Path) -> InShort | None:
        """The line of a README; None where it has none."""
        found = _IN_SHORT.search(readme.read_text("utf-8"))
        return found and cls(readme, found["weights"], found["measured"])


@dataclass(frozen=True)
class Weights:
    """One model's weights in one variant."""

    model: Model
    variant: str
    sources: tuple[Source, ...]
    licence: str


def weights(repository: Repository, pipeline: Model) -> list[Weights]:
    """Those of every model that the pipeline needs, the starter before the others."""
    return [
        Weights(model, variant, model.recipe.sources_of(variant), model.recipe.license)
        for model in repository.closure([pipeline.name])
        if model.has_recipe
        for variant in sorted(model.recipe.sources, key=lambda name: (name != "starter", name))
    ]


def told(repository: Repository, source: Source, page: Path) -> str:
    """A source in words; one of ours with a link to its README, as from `page`."""
    if isinstance(source, Starter) and (readme := _readme(repository, source)).is_file():
        return f"[{source}]({link(readme, page)})"
    return str(source)


def in_short(repository: Repository, pipeline: Model) -> list[InShort]:
    """What the READMEs of the starters and models behind a pipeline say in short, each once."""
    found: dict[Path, InShort] = {}
    for each in weights(repository, pipeline):
        if each.variant == "starter" and each.model.recipe.is_exported:
            ours = [_readme(repository, source) for source in each.sources if isinstance(source, Starter)]
            readme = ours[0] if ours else each.model.folder / "README.md"
            said = InShort.read(readme) if readme.is_file() else None
            if said is not None:
                found.setdefault(readme, said)
    return list(found.values())


def _readme(repository: Repository, starter: Starter) -> Path:
    """Of the starter's folder; the weights may lie in a folder inside of it."""
    return repository.root / "starters" / Path(starter.name).parts[0] / "README.md"


def link(target: Path, page: Path) -> str:
    """A path as a link from a page, both below one root."""
    return Path(os.path.relpath(target, page.parent)).as_posix()
