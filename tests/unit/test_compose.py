"""docker-compose.yml promises the same of every service, and what .env.example offers exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tritonzoo.container.settings import STATUS_PORT, Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
GPU_TEXT = (ROOT / "docker-compose.gpu.yml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
VARIABLE = re.compile(r"\$\{(\w+):-(.*?)\}")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert {"mem_limit", "pids_limit", "user", "logging"} <= set(service)
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service)


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_read_only_and_published_ports_are_on_loopback(name: str) -> None:
    service = SERVICES[name]
    assert all(volume["read_only"] for volume in service.get("volumes", ()))
    for port in service.get("ports", ()):
        assert port.startswith(("127.0.0.1:", "${BIND_ADDRESS:-127.0.0.1}:")), port


def test_triton_is_reached_through_the_edge_alone() -> None:
    assert "ports" not in SERVICES["triton"]
    assert {port.rpartition(":")[2] for port in SERVICES["edge"]["ports"]} == {"8000", "8001"}


def test_there_is_time_to_stop() -> None:
    defaults = Settings()
    seconds = float(SERVICES["triton"]["stop_grace_period"].rstrip("s"))
    assert seconds >= defaults.unready_s + defaults.drain_s + 10
    edge = (ROOT / "deploy/edge/haproxy.cfg").read_text()
    hard_stop = re.search(r"hard-stop-after (\d+)s", edge)
    assert hard_stop and float(SERVICES["edge"]["stop_grace_period"].rstrip("s")) > float(hard_stop[1])
    interval = re.search(r"inter (\d+)s fall (\d+)", edge)
    assert interval and defaults.unready_s >= int(interval[1]) * (int(interval[2]) + 1)
    assert f"connect port {STATUS_PORT}" in edge


def test_only_what_both_versions_of_compose_take_is_used() -> None:
    assert not re.search(r"^(version|name|include):", TEXT, re.M)
    assert not re.search(r"\$\{\w+:\+|\$\{[^}]*\$\{", TEXT + GPU_TEXT), (
        "1.29 expands these wrongly, or not at all"
    )


def test_env_example_offers_every_variable_with_its_default() -> None:
    offered = dict(re.findall(r"^#(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))
    used = dict(VARIABLE.findall(TEXT))
    images = {
        name for name in used if name.endswith("_IMAGE") and name not in ("PYTHON_IMAGE", "DEBIAN_IMAGE")
    }
    assert {name: used[name] for name in offered} == offered
    assert set(used) - images == set(offered)
