"""What runs in a container beside the server: the tree it is given, what it says of itself, where its log goes."""

from __future__ import annotations

import io
import shutil
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.proved import proved_model
from tritonzoo.container import built_in, log_forward
from tritonzoo.container.log_forward import LogForwarder
from tritonzoo.container.overlay import lay_out
from tritonzoo.container.settings import Settings
from tritonzoo.container.status_port import Phase, Status, StatusPort
from tritonzoo.embedded.preflight import check_artifacts
from tritonzoo.errors import ServerError
from tritonzoo.repository import Repository


@pytest.fixture
def port() -> Iterator[StatusPort]:
    """A status port of a server that is ready, on a port of its own."""
    status = Status(lambda: True, lambda: {"one": 2}, lambda: {"two": "it will not load"})
    port = StatusPort(status, 0, "127.0.0.1")
    port.status = status  # type: ignore[attr-defined]
    port.start()
    yield port
    port.stop()


def ask(port: StatusPort, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_is_ready_only_between_start_and_stop(port: StatusPort) -> None:
    status = port.status  # type: ignore[attr-defined]
    assert ask(port, "/ready") == (503, "starting\n")
    status.serving(("one", "two"))
    assert ask(port, "/ready") == (200, "ready\n")
    status.is_triton_ready = lambda: False
    assert ask(port, "/ready") == (503, "Triton does not answer\n")
    status.is_triton_ready = lambda: True
    status.phase = Phase.STOPPING
    assert ask(port, "/ready") == (503, "stopping\n")
    assert ask(port, "/else")[0] == 404


def test_every_model_has_its_counters_from_the_start(port: StatusPort) -> None:
    port.status.serving(("one", "two", "three"))  # type: ignore[attr-defined]
    lines = ask(port, "/metrics")[1].splitlines()
    assert "tritonzoo_ready 1" in lines
    assert [line for line in lines if line.startswith("tritonzoo_model_restarts_total")] == [
        'tritonzoo_model_restarts_total{model="one"} 2',
        'tritonzoo_model_restarts_total{model="two"} 0',
        'tritonzoo_model_restarts_total{model="three"} 0',
    ]
    assert (
        'tritonzoo_model_failing{model="two"} 1' in lines
        and 'tritonzoo_model_failing{model="one"} 0' in lines
    )
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {line.partition("{")[0].split()[0] for line in lines if not line.startswith("#")} == named


def test_a_probe_that_stalls_holds_up_nobody(port: StatusPort) -> None:
    with socket.create_connection(("127.0.0.1", port.port)):
        assert ask(port, "/ready")[0] == 503


def test_the_log_is_forwarded_whole_and_its_file_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_forward, "KEPT_BYTES", 1000)
    path, output = tmp_path / "triton.log", io.BytesIO()
    forwarder = LogForwarder(path, output)
    forwarder.forward()  # not there yet
    lines = [f"line {number}\n".encode() for number in range(1000)]
    with path.open("ab") as log:  # as Triton writes: appending
        for line in lines:
            log.write(line)
            log.flush()
            forwarder.forward()
            assert path.stat().st_size < 1100
    assert output.getvalue() == b"".join(lines)


def test_stopping_forwards_what_is_left(tmp_path: Path) -> None:
    path, output = tmp_path / "triton.log", io.BytesIO()
    path.write_bytes(b"last words\n")
    forwarder = LogForwarder(path, output)
    forwarder.start()
    forwarder.stop()
    assert output.getvalue() == b"last words\n"
    assert not [thread for thread in threading.enumerate() if thread.name == "log"]


def test_settings_come_from_the_environment_and_empty_ones_do_not_count() -> None:
    read = Settings.read(
        {"TRITONZOO_PIPELINES": "a, b,", "TRITONZOO_DRAIN_S": "7.5", "TRITONZOO_PROFILE": ""}
    )
    assert read == Settings(pipelines=("a", "b"), drain_s=7.5)


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_a_time_that_is_none_is_told_with_the_variable_s_name(value: str) -> None:
    with pytest.raises(ServerError, match=f"TRITONZOO_DRAIN_S='{value}': it is a number of seconds"):
        Settings.read({"TRITONZOO_DRAIN_S": value})


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A tree with a model that has artifacts of two kinds, proved."""
    tree = tmp_path / "mounted"
    proved_model(tree, {"model.onnx": 100.0, "model.fused.onnx": 120.0})
    return tree


@pytest.fixture
def image(mounted: Path, tmp_path: Path) -> Path:
    """The tree as it lies in an image built from it."""
    assert built_in.missing(Repository(mounted)) == {}
    built_in.copy(Repository(mounted), tmp_path / "image")
    return tmp_path / "image"


def artifacts(tree: Path) -> list[Path]:
    return [path for model in Repository(tree).models.values() for path in model.present_artifacts]


def test_a_mounted_tree_without_artifacts_gets_those_of_the_image(
    mounted: Path, image: Path, tmp_path: Path
) -> None:
    for model in Repository(mounted).models.values():
        model.lock_path.unlink(missing_ok=True)
        model.ledger_path.unlink(missing_ok=True)
    for path in artifacts(mounted):
        path.unlink()
    tree = lay_out(mounted, image, tmp_path / "laid")
    found = artifacts(tree.root)
    assert found and all(path.resolve().is_relative_to(image) for path in found)
    assert [path.name for path in found] == ["model.fused.onnx"]  # what the profile serves
    check_artifacts(list(tree.models.values()))
    config = tree.models["words"].folder / "config.pbtxt"
    assert config.resolve().is_relative_to(mounted)


def test_artifacts_of_the_mounted_tree_go_before_the_image_s(
    mounted: Path, image: Path, tmp_path: Path
) -> None:
    found = artifacts(lay_out(mounted, image, tmp_path / "laid").root)
    assert found and all(path.resolve().is_relative_to(mounted) for path in found)


def test_another_recipe_than_the_image_was_built_from_is_refused(
    mounted: Path, image: Path, tmp_path: Path
) -> None:
    (model,) = (model for model in Repository(mounted).models.values() if model.has_recipe)
    with (model.folder / "recipe.py").open("a") as recipe:
        recipe.write("\n# another\n")
    with pytest.raises(ServerError, match=rf"no artifacts for {model.name}: .*docker-compose build triton"):
        lay_out(mounted, image, tmp_path / "laid")


def test_without_a_mounted_tree_the_image_s_is_served_and_without_either_it_is_told(
    image: Path, tmp_path: Path
) -> None:
    tree = lay_out(tmp_path / "nothing", image, tmp_path / "laid")
    assert set(tree.models) == set(Repository(image).models)
    with pytest.raises(ServerError, match=r"no tree to serve: .*model_repository"):
        lay_out(tmp_path / "nothing", tmp_path / "neither", tmp_path / "laid")


def test_laying_out_again_forgets_what_was_there(mounted: Path, image: Path, tmp_path: Path) -> None:
    lay_out(mounted, image, tmp_path / "laid")
    shutil.rmtree(mounted / "model_repository" / "words")
    shutil.rmtree(mounted / "ensembles")
    (mounted / "ensembles").mkdir()
    assert "words" not in lay_out(mounted, image, tmp_path / "laid").models


def test_the_image_s_tree_holds_no_leftovers_and_a_lock_of_what_it_holds(
    mounted: Path, tmp_path: Path
) -> None:
    (model,) = (model for model in Repository(mounted).models.values() if model.has_recipe)
    (model.folder / "logs").mkdir()
    (model.version_folder / ".model.onnx.7.partial").write_bytes(b"half")
    built_in.copy(Repository(mounted), tmp_path / "image")
    copied = Repository(tmp_path / "image").models[model.name]
    assert not (copied.folder / "logs").exists()
    assert not list(copied.version_folder.glob(".*.partial"))
    assert {path.name for path in copied.present_artifacts} == built_in.served(model, "cpu-fp32")
    check_artifacts([copied])


def test_what_is_missing_for_an_image_is_named(mounted: Path) -> None:
    (model,) = (model for model in Repository(mounted).models.values() if model.has_recipe)
    model.lock_path.unlink()
    assert set(built_in.missing(Repository(mounted))) == {model.name}
