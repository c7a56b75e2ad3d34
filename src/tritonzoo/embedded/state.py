"""What a running server leaves for other processes to find: one folder for each HTTP port.

    <cache>/tritonzoo/servers/http-8000/   lock  state.json  triton.log  backends/

The supervisor holds a lock on its folder for as long as it lives, and a state names its supervisor by pid and
start time, so that one that outlived its server is recognised. Folder and state, which has the admin key, are
readable by the owner only.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tritonzoo.errors import PreflightError
from tritonzoo.runtime import proc

FOLDER_NAME = re.compile(r"http-(\d+)$")


@dataclass(frozen=True)
class ServerState:
    """One running server as its supervisor describes it."""

    supervisor_pid: int
    supervisor_start_ticks: int
    server_pid: int
    root: str
    profile: str
    host: str
    ports: dict[str, int]
    pipelines: list[str]
    models: list[str]
    log_file: str
    shm_prefix: str
    python: str
    drain_s: float
    restarts: dict[str, int] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)  # model -> why it cannot be brought back
    admin_key: str = field(default="", repr=False)

    @property
    def is_alive(self) -> bool:
        """Whether the supervisor still runs, it and not a later process with its pid."""
        return proc.is_alive(self.supervisor_pid, self.supervisor_start_ticks)


@dataclass
class ServerFolder:
    """The folder of one server, held by its supervisor until `release`."""

    path: Path
    _lock: int

    @classmethod
    def claim(cls, http_port: int) -> ServerFolder:
        """Take the folder of `http_port`.

        Raises:
            PreflightError: another server has it, or it cannot be written.
        """
        path = server_path(http_port)
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.chmod(0o700)
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PreflightError(
                f"{path}: {error.strerror}; set XDG_CACHE_HOME to a folder that can be written"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise PreflightError(
                f"a server with HTTP port {http_port} is running or starting; stop it with "
                f"`tritonzoo stop --http-port {http_port}`, or choose another with --http-port"
            ) from None
        return cls(path, lock)

    def write(self, state: ServerState) -> None:
        """Replace the state file whole, so that nobody reads half of one."""
        target = self.path / "state.json"
        draft = target.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(state), file, indent=2)
        draft.replace(target)

    def release(self) -> None:
        """Say that the server is gone. Its log stays."""
        shutil.rmtree(self.path / "backends", ignore_errors=True)
        (self.path / "state.json").unlink(missing_ok=True)
        os.close(self._lock)


def servers_path() -> Path:
    """Where servers' folders lie: $XDG_CACHE_HOME/tritonzoo/servers, by default below ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "tritonzoo" / "servers"


def digests_path() -> Path:
    """What is known of the artifacts' digests (`tritonzoo.digests`)."""
    return servers_path() / "digests.json"


def server_path(http_port: int) -> Path:
    return servers_path() / f"http-{http_port}"


def running() -> list[ServerState]:
    """Every server of this user whose supervisor is alive, by HTTP port."""
    found = []
    for path in servers_path().glob("http-*/state.json"):
        state = read(path)
        if state is not None and state.is_alive:
            found.append(state)
    return sorted(found, key=lambda state: state.ports["http"])


def read(path: Path) -> ServerState | None:
    """A state file; None where it is gone or from another version of tritonzoo."""
    try:
        return ServerState(**json.loads(path.read_text("utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def keep_previous(log_file: Path) -> None:
    """Make way for a new log; the last one stays as `<name>.previous`."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    if log_file.is_file():
        log_file.replace(log_file.with_name(log_file.name + ".previous"))
    log_file.touch(mode=0o600)
