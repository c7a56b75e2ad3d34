"""{{ cookiecutter.name }}, as far as it can be tested with no server."""

from __future__ import annotations

from pathlib import Path

from tritonzoo.check import check
from tritonzoo.repository import Repository

REPOSITORY = Repository.find(Path(__file__).parent)
PIPELINE = REPOSITORY.model("{{ cookiecutter.name }}")


def test_it_fits_together() -> None:
    folder = f"ensembles/{PIPELINE.name}/"
    assert [str(finding) for finding in check(REPOSITORY) if finding.path.startswith(folder)] == []


def test_its_members_run_in_this_order() -> None:
    assert PIPELINE.members == tuple("{{ cookiecutter.members.replace(' ', '') }}".split(","))


def test_every_output_is_a_members() -> None:
    members = [REPOSITORY.model(name) for name in PIPELINE.members]
    given = {tensor.name for member in members for tensor in member.config.output}

    assert {tensor.name for tensor in PIPELINE.config.output} <= given
