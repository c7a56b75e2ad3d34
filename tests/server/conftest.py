"""The servers that these tests talk to: the real tree, once for all of them, and toys for each their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.toys import write_toy_tree
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder gives the marker."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.server)


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTriton]:
    """A server with every pipeline of this repository; fails, naming the command, when artifacts are missing."""
    folder = tmp_path_factory.mktemp("triton")
    server = EmbeddedTriton(ServeOptions(root=ROOT, ports=Ports.free(), log_file=folder / "triton.log"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))  # leaves nothing in the user's own
        server.start()
    with server:
        yield server


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServeOptions:
    """Options for a server of trivial models (`toys.py`), with state files of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return ServeOptions(root=write_toy_tree(tmp_path / "tree"), ports=Ports.free(), drain_s=20)


@pytest.fixture
def serve(toys: ServeOptions) -> Iterator[Callable[[], EmbeddedTriton]]:
    """Start a server of toys; killed after the test if it did not stop it."""
    started: list[EmbeddedTriton] = []

    def start() -> EmbeddedTriton:
        server = EmbeddedTriton(toys)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.kill()
