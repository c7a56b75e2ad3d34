"""Before serving: is each artifact the one whose answers were compared with its source model's?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tritonzoo import ledger
from tritonzoo.digests import Digests
from tritonzoo.lock import sha256_of
from tritonzoo.profiles import choose
from tritonzoo.repository import Model


def why_unproved(model: Model, profile: str, digest_of: Callable[[Path], str] = sha256_of) -> str | None:
    """Why the artifact that `profile` serves must not be served; None when it is proved, or needs no proof.

    Holds the digest of the whole artifact against the ledger's.
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
        if digest_of(model.version_folder / name) != entry.sha256:
            return f"{name} has other bytes than those that were compared with its source model"
    return None


def unproved(models: Iterable[Model], profile: str, digests: Digests) -> dict[str, str]:
    """Model -> why its artifact must not be served. Artifacts that `digests` knows are not read again."""
    reasons = {model.name: why_unproved(model, profile, digests.of) for model in models}
    digests.save()
    return {name: why for name, why in reasons.items() if why is not None}
