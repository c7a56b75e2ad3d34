"""Every pipeline that has a source answers, served, what its source answered when golden.npz was recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonzoo import Client
from tritonzoo.golden.file import NAME
from tritonzoo.golden.pipeline import has_source
from tritonzoo.golden.verify import verify_served
from tritonzoo.repository import Model, Repository

REPOSITORY = Repository.find(Path(__file__).parent)
PIPELINES = [pipeline for pipeline in REPOSITORY.models.values() if has_source(pipeline)]


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)
def test_a_served_pipeline_answers_as_its_source(triton, pipeline: Model) -> None:
    assert (pipeline.folder / NAME).is_file(), f"record it: tritonzoo golden {pipeline.name} --record"
    with Client(triton.grpc_url) as client:
        outcome = verify_served(REPOSITORY, pipeline, client)

    assert (outcome.what, outcome.failure, outcome.skipped) == ("served, fp32", "", "")
