"""Before serving: is each artifact the one whose answers were compared with its source model's?"""

from __future__ import annotations

from collections.abc import Iterable

from tritonzoo import ledger
from tritonzoo.lock import sha256_of
from tritonzoo.profiles import choose
from tritonzoo.repository import Model


def why_unproved(model: Model, profile: str) -> str | None:
    """Why the artifact that `profile` serves must not be served; None when it is proved, or needs no proof.

    Reads the whole artifact, to hold its digest against the ledger's.
    """
    if not model.has_recipe or not model.recipe.is_exported:
        return None
    entries = ledger.read(model.ledger_path)
    for name in model.graph_files(choose(model, profile).artifact):
        entry = entries.get(name)
        if entry is None:
            where = model.ledger_path.name
            return f"{name} has no entry in {where}: it was never compared with its source model"
        if entry.verdict != "green":
            return f"{name} is {entry.verdict} in {model.ledger_path.name}"
        if sha256_of(model.version_folder / name) != entry.sha256:
            return f"{name} has other bytes than those that were compared with its source model"
    return None


def unproved(models: Iterable[Model], profile: str) -> dict[str, str]:
    """Model -> why its artifact must not be served."""
    return {model.name: why for model in models if (why := why_unproved(model, profile)) is not None}
