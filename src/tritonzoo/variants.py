"""Which variant of its weights each model holds, and pipelines whose models do not belong together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tritonzoo.lock import Lock

if TYPE_CHECKING:
    from tritonzoo.repository import Model, Repository


def variants_here(repository: Repository, pipeline: Model) -> dict[str, str]:
    """Of each of the pipeline's models with a recipe, the variant in its version folder; empty: none yet."""
    members = repository.closure([pipeline.name])
    return {member.name: Lock.read(member.lock_path).variant for member in members if member.has_recipe}


def mixed(repository: Repository, pipelines: Iterable[Model]) -> list[str]:
    """A sentence for each pipeline that has the tokenizer of one variant and the network of another, say.

    A model whose recipe has but one variant goes with any.
    """
    return [told for pipeline in pipelines if pipeline.members and (told := _mixture(repository, pipeline))]


def _mixture(repository: Repository, pipeline: Model) -> str:
    here = {name: variant for name, variant in variants_here(repository, pipeline).items() if variant}
    chosen = {name: variant for name, variant in here.items() if _could_be_another(repository, name)}
    if len(set(chosen.values())) < 2:
        return ""
    wanted = next(variant for variant in chosen.values() if variant != "starter")
    mend = [
        f"tritonzoo {'pull' if repository.model(name).recipe.files else 'convert'} {name} --variant {wanted}"
        for name, variant in chosen.items()
        if variant != wanted
    ]
    told = ", ".join(f"{name} is {variant}" for name, variant in chosen.items())
    return f"{pipeline.name} mixes variants, which may not fit together: {told}; {' && '.join(mend)}"


def _could_be_another(repository: Repository, name: str) -> bool:
    return len(repository.model(name).recipe.sources) > 1
