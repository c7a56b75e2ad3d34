"""One run of docker-compose.yml under a name and on ports of its own."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tritonzoo.embedded import Ports

ROOT = Path(__file__).parents[2]
READY_S = 180.0
# Debian's client has BuildKit built in; another one that comes earlier in PATH may not.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def run(
    *words: str,
    env: Mapping[str, str] | None = None,
    input_text: str = "",
    timeout_s: float = 600,
    check: bool = True,
) -> str:
    """The standard output of a command; its whole output is in the failure."""
    environment = {
        **os.environ,
        "PATH": PATH,
        "DOCKER_BUILDKIT": "1",
        "COMPOSE_DOCKER_CLI_BUILD": "1",
        **(env or {}),
    }
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=environment,
        input=input_text,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert not check or done.returncode == 0, (
        f"{' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout.strip()


def docker(*words: str, **options: Any) -> str:
    return run("docker", *words, **options)


def logs(container: str) -> str:
    """What a container has written, to either stream."""
    return run("sh", "-c", f"docker logs {container} 2>&1")


def inspect(container: str) -> Any:
    return json.loads(docker("inspect", container))[0]


@dataclass
class Stack:
    """The services of docker-compose.yml; `compose` is the command of either version."""

    project: str
    compose: tuple[str, ...] = ("docker-compose",)
    files: tuple[str, ...] = ("docker-compose.yml",)
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ports = Ports.free()
        self.http, self.grpc, self.prometheus = ports.http, ports.grpc, ports.metrics
        self.env = {
            "COMPOSE_PROJECT_NAME": self.project,
            "SERVING_NETWORK": self.project,
            "HTTP_PORT": str(self.http),
            "GRPC_PORT": str(self.grpc),
            "PROMETHEUS_PORT": str(self.prometheus),
            **self.env,
        }

    def __call__(self, *words: str, **options: Any) -> str:
        flags = [word for name in self.files for word in ("-f", name)]
        return run(*self.compose, *flags, *words, env=self.env, **options)

    def up(self, *services: str, replicas: int = 1) -> None:
        self("up", "-d", "--no-build", "--scale", f"triton={replicas}", *services)
        self.await_ready(replicas)

    def down(self) -> None:
        self("--profile", "monitoring", "down", "--remove-orphans", "--volumes", "--timeout", "20")

    def containers(self, service: str = "triton") -> list[str]:
        """Ids of the running containers of a service, oldest first."""
        labels = (f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}")
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        return docker("ps", "--quiet", "--no-trunc", *filters).split()[::-1]

    def address(self, container: str) -> str:
        """Where a container can be reached from this machine."""
        return str(inspect(container)["NetworkSettings"]["Networks"][self.project]["IPAddress"])

    def await_ready(self, replicas: int = 1) -> None:
        """Wait until so many replicas are ready and the edge knows it."""
        deadline = time.monotonic() + READY_S
        while sum(self.is_healthy(one) for one in self.containers()) < replicas or not self.answers():
            assert time.monotonic() < deadline, self("logs", "--tail=40")
            time.sleep(0.2)

    def is_healthy(self, container: str) -> bool:
        return bool(inspect(container)["State"]["Health"]["Status"] == "healthy")

    def answers(self) -> bool:
        """Whether the edge finds a replica that is ready."""
        return get(self.http, "/v2/health/ready")[0] == 200


def get(port: int, path: str, host: str = "127.0.0.1", timeout_s: float = 10) -> tuple[int, str]:
    """(status, text) of a GET; status 0 where nobody answers."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error)
    finally:
        connection.close()


def call(
    port: int, pipeline: str, body: Mapping[str, Any], timeout_s: float = 30, host: str = "127.0.0.1"
) -> Any:
    """The answer of a pipeline's generate endpoint."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        text = json.dumps(body)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/v2/models/{pipeline}/generate", text, headers)
        answer = connection.getresponse()
        said = answer.read().decode()
    finally:
        connection.close()
    assert answer.status == 200, f"{answer.status} {said}"
    return json.loads(said)
