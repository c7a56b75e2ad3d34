"""The watchdog's decisions, on stubs and a Triton that the test makes up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trees import MEMBER, sound_tree, write_model
from tritonzoo.embedded import stubs, watchdog
from tritonzoo.embedded.stubs import Stub, instance_groups, model_of
from tritonzoo.embedded.watchdog import Watchdog, delay_before
from tritonzoo.errors import ServerError
from tritonzoo.repository import Repository


class Triton:
    """Stubs by instance; a reload gives a model a new one unless it is broken."""

    def __init__(self, *instances: str) -> None:
        self.alive = {
            name: Stub(pid, 0, name, name.partition("_")[0], "") for pid, name in enumerate(instances, 1)
        }
        self.state = {stub.model: "READY" for stub in self.alive.values()}
        self.broken: set[str] = set()
        self.reloads: list[str] = []
        self.unreachable = False

    def kill(self, instance: str) -> None:
        del self.alive[instance]

    def index(self) -> dict[str, str]:
        if self.unreachable:
            raise ServerError("unreachable")
        return self.state

    def reload(self, name: str) -> None:
        self.reloads.append(name)
        if name in self.broken:
            raise ServerError("labels.txt is missing")
        self.alive[f"{name}_0_0"] = Stub(100 + len(self.reloads), 0, f"{name}_0_0", name, "")


@pytest.fixture
def triton(monkeypatch: pytest.MonkeyPatch) -> Triton:
    made_up = Triton("a_0_0", "b_0_0")
    monkeypatch.setattr(Stub, "is_alive", property(lambda stub: stub in made_up.alive.values()))
    monkeypatch.setattr(watchdog, "find_stubs", lambda pid, models: list(made_up.alive.values()))
    monkeypatch.setattr(watchdog.shm, "remove", lambda name: [])
    return made_up


@pytest.fixture
def dog(triton: Triton) -> Watchdog:
    watching = Watchdog(1, triton, ())
    watching._scan()
    return watching


def test_nothing_is_touched_while_all_live(dog: Watchdog, triton: Triton) -> None:
    for now_s in range(100):
        dog._round(now_s)
    assert triton.reloads == []


def test_the_first_death_is_mended_in_the_same_round(dog: Watchdog, triton: Triton) -> None:
    triton.kill("a_0_0")
    dog._round(1000.0)
    assert triton.reloads == ["a"]
    assert dog.restarts == {"a": 1}


def test_a_model_that_was_unloaded_is_left_alone(dog: Watchdog, triton: Triton) -> None:
    triton.kill("a_0_0")
    triton.state["a"] = "UNAVAILABLE"
    dog._round(1000.0)
    dog._round(2000.0)
    assert triton.reloads == []


def test_a_model_that_was_replaced_is_left_alone_and_watched_on(dog: Watchdog, triton: Triton) -> None:
    triton.alive["a_0_0"] = Stub(77, 0, "a_0_0", "a", "")
    dog._round(1000.0)
    assert triton.reloads == []
    triton.kill("a_0_0")
    dog._round(1001.0)
    assert triton.reloads == ["a"]


def test_a_death_is_not_forgotten_while_triton_does_not_answer(dog: Watchdog, triton: Triton) -> None:
    triton.kill("a_0_0")
    triton.unreachable = True
    with pytest.raises(ServerError):
        dog._round(1000.0)
    triton.unreachable = False
    dog._round(1001.0)
    assert triton.reloads == ["a"]


def test_a_model_that_cannot_be_loaded_is_reported_and_retried_ever_more_slowly(
    dog: Watchdog, triton: Triton, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: now_s)
    triton.broken.add("a")
    triton.kill("a_0_0")
    attempts = []
    for _ in range(400):
        before = len(triton.reloads)
        dog._round(now_s)
        if len(triton.reloads) > before:
            attempts.append(now_s - 1000.0)
        now_s += 0.25
    assert dog.failing == {"a": "labels.txt is missing"}
    assert attempts == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5]
    triton.broken.clear()
    now_s += 100
    dog._round(now_s)
    assert dog.failing == {}
    assert dog.restarts == {"a": 1}


def test_the_delay_doubles_up_to_a_minute() -> None:
    assert [delay_before(n) for n in (1, 2, 3, 4, 9, 50, 10_000)] == [0.0, 0.5, 1.0, 2.0, 60.0, 60.0, 60.0]


def test_an_instance_belongs_to_the_model_with_the_longest_fitting_group(tmp_path: Path) -> None:
    sound_tree(tmp_path)
    named = MEMBER + 'instance_group [{ name: "double_0_first" count: 2 }]\n'
    write_model(tmp_path / "model_repository" / "named", named)
    groups = instance_groups(list(Repository(tmp_path).models.values()))
    assert groups == {"double_0": "double", "double_again_0": "double_again", "double_0_first": "named"}
    assert model_of("double_0_0", groups) == "double"
    assert model_of("double_again_0_1", groups) == "double_again"
    assert model_of("double_0_first_1", groups) == "named"
    assert model_of("unknown_0_0", groups) is None


def test_stubs_are_told_from_other_children_by_their_arguments(tmp_path: Path, monkeypatch) -> None:
    models = list(Repository(sound_tree(tmp_path)).models.values())
    commands = {
        10: "/b/python/triton_python_backend_stub m/double/1/model.py shm_1 1 1 5 /b/python 336 double_0_0 DEFAULT".split(),
        11: "/b/python/triton_python_backend_stub m/x/1/model.py shm_2 1 1 5 /b/python 336 unknown_0_0 DEFAULT".split(),
        12: ["sleep", "1"],
    }
    children = [stubs.proc.Process(pid, "S", 5, 5, 7) for pid in commands]
    monkeypatch.setattr(stubs.proc, "children", lambda pid: children)
    monkeypatch.setattr(stubs.proc, "command_line", commands.__getitem__)
    assert stubs.find_stubs(5, models) == [Stub(10, 7, "double_0_0", "double", "shm_1")]
