"""Ending connections that Triton waits for although nothing is going on in them.

When it stops, Triton waits for every HTTP client to hang up, also for one that only keeps its connection for
later. The supervisor may take a copy of such a socket (pidfd_getfd, allowed where tracing is) and shut it
down: Triton then sees its client gone. A connection is idle when the last byte went out after the last one
came in, so the last request has been answered. The kernel counts both times in ticks of a few milliseconds; a
request answered within one tick leaves it unclear which came last.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from pathlib import Path

from tritonzoo.runtime import proc

SYS_PIDFD_GETFD = 438  # the same on x86-64 and aarch64
# struct tcp_info, linux/tcp.h: eight bytes, then 32-bit words from tcpi_rto on.
LAST_DATA_SENT_OFFSET = 44  # milliseconds since, as is the next
LAST_DATA_RECEIVED_OFFSET = 52
TCP_INFO_BYTES = 104
ESTABLISHED = 1
LISTENING = 10


def open_sockets(port: int, state: int = ESTABLISHED) -> set[str]:
    """Inodes of this machine's TCP sockets at local `port` that are in `state`."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = proc.PROC / "net" / table
        for line in path.read_text().splitlines()[1:] if path.is_file() else ():
            fields = line.split()
            if int(fields[3], 16) == state and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def descriptors(pid: int) -> dict[int, str]:
    """Inode of a socket by file descriptor; empty where `pid` is gone or another user's."""
    found = {}
    try:
        for link in (proc.PROC / str(pid) / "fd").iterdir():
            target = _target(link)
            if target.startswith("socket:["):
                found[int(link.name)] = target[len("socket:[") : -1]
    except OSError:
        return {}
    return found


def close_idle(pid: int, port: int, unclear_too: bool) -> int:
    """Shut down the idle connections that `pid` has accepted on `port`; returns how many.

    0 also where the kernel does not permit it; the caller has to wait then.
    """
    accepted = open_sockets(port)
    closed = 0
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return 0
    try:
        for descriptor, inode in descriptors(pid).items():
            copy = _copy(pidfd, descriptor) if inode in accepted else None
            if copy is not None:
                with copy:
                    closed += _close_if_idle(copy, unclear_too)
    finally:
        os.close(pidfd)
    return closed


def is_idle(sent_ms_ago: int, received_ms_ago: int, unclear_too: bool) -> bool:
    """Whether the last request on a connection has been answered."""
    return sent_ms_ago <= received_ms_ago if unclear_too else sent_ms_ago < received_ms_ago


def _close_if_idle(connection: socket.socket, unclear_too: bool) -> bool:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    (sent_ms_ago,) = struct.unpack_from("I", info, LAST_DATA_SENT_OFFSET)
    (received_ms_ago,) = struct.unpack_from("I", info, LAST_DATA_RECEIVED_OFFSET)
    if info[0] != ESTABLISHED or not is_idle(sent_ms_ago, received_ms_ago, unclear_too):
        return False
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the client hung up at this very moment
        return False
    return True


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""


def _copy(pidfd: int, descriptor: int) -> socket.socket | None:
    libc = ctypes.CDLL(None, use_errno=True)
    copied = libc.syscall(SYS_PIDFD_GETFD, pidfd, descriptor, 0)
    return socket.socket(fileno=copied) if copied >= 0 else None
