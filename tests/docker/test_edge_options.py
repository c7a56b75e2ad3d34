"""What the secrets folder switches on: API keys with limits, TLS, and client certificates."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tests.docker.stack import Stack, docker, get, inspect, logs, run
from tritonzoo import Client
from tritonzoo.embedded import Ports
from tritonzoo.errors import CallError

KEY = "alice.0123456789abcdef"
SLOW_KEY = "bob.fedcba9876543210"
BODY = json.dumps({"text": "well done"})
PATH_OF_CALL = "/v2/models/ensemble_sentiment/generate"

Edge = Callable[..., Ports]


@pytest.fixture
def edge(stack: Stack, tmp_path: Path) -> Iterator[Edge]:
    """Starts a further edge before the same replicas, with its own secrets and settings; removed after the test."""
    started: list[str] = []

    def start(secrets: dict[str, str], **settings: str) -> Ports:
        folder = tmp_path / "secrets"
        folder.mkdir(mode=0o755)
        for name, text in secrets.items():
            (folder / name).write_text(text)
        ports = Ports.free()
        environment = {
            "EDGE_BODY_MAX_BYTES": "67108864",
            "EDGE_REQUESTS_PER_10S": "0",
            "EDGE_TIMEOUT": "60s",
            **settings,
        }
        words = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        started.append(
            docker(
                "run", "--detach", "--network", stack.project, "--read-only", "--cap-drop", "ALL",
                "--tmpfs", "/run/edge:size=1m,mode=1777", "--volume", f"{folder}:/etc/edge/secrets:ro",
                "--publish", f"127.0.0.1:{ports.http}:8000", "--publish", f"127.0.0.1:{ports.grpc}:8001", *words,
                "tritonzoo-edge:latest",
            )
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while inspect(started[-1])["State"]["Health"]["Status"] != "healthy":
            assert time.monotonic() < deadline and inspect(started[-1])["State"]["Running"], logs(started[-1])
            time.sleep(0.2)
        return ports

    yield start
    for one in started:
        docker("rm", "--force", one)


def line(key: str, limit: int) -> str:
    return f"{key.partition('.')[0]} {hashlib.sha256(key.encode()).hexdigest()} {limit}\n"


def post(port: int, headers: dict[str, str], context: ssl.SSLContext | None = None) -> tuple[int, str]:
    connection = (
        http.client.HTTPConnection("localhost", port, timeout=20)
        if context is None
        else http.client.HTTPSConnection("localhost", port, timeout=20, context=context)
    )
    try:
        connection.request("POST", PATH_OF_CALL, BODY, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_call_needs_a_known_key_and_health_does_not(edge: Edge) -> None:
    ports = edge({"api_keys": "# keys of this test\n\n" + line(KEY, 1000)})
    assert post(ports.http, {"Authorization": f"Bearer {KEY}"})[0] == 200
    assert post(ports.http, {"X-API-Key": KEY})[0] == 200
    for headers in ({}, {"Authorization": f"Bearer {KEY}x"}, {"Authorization": "Bearer alice"}, {"X-API-Key": "none"},
                    {"X-API-Key": "mallory.0123456789abcdef"}, {"Authorization": f"Basic {KEY}"}):  # fmt: skip
        status, said = post(ports.http, headers)
        assert status == 401 and "Authorization: Bearer NAME.SECRET" in json.loads(said)["error"], headers
    assert get(ports.http, "/v2/health/ready")[0] == 200
    assert get(ports.http, "/v2")[0] == 401

    with Client(f"localhost:{ports.grpc}", headers={"authorization": f"Bearer {KEY}"}) as client:
        assert client.sentiment("well done").label == "positive"
    with Client(f"localhost:{ports.grpc}") as client, pytest.raises(CallError, match="API key"):
        client.sentiment("well done")


def test_a_key_is_in_no_answer_and_no_log(edge: Edge, stack: Stack) -> None:
    ports = edge({"api_keys": line(KEY, 1000)})
    status, said = post(ports.http, {"Authorization": f"Bearer {KEY}"})
    assert status == 200 and KEY not in said
    assert (
        post(ports.http, {"Authorization": f"Bearer {KEY}", "Content-Type": "text/plain"})[0] == 415
    )  # logged
    newest = docker("ps", "--quiet", "--latest")
    for one in [*stack.containers(), newest]:
        assert KEY.partition(".")[2] not in logs(one)


def test_each_key_has_its_own_limit(edge: Edge) -> None:
    ports = edge({"api_keys": line(KEY, 1000) + line(SLOW_KEY, 3)})
    answers = [post(ports.http, {"X-API-Key": SLOW_KEY}) for _ in range(5)]
    assert [status for status, _ in answers] == [200, 200, 200, 429, 429]
    assert "too many requests" in json.loads(answers[-1][1])["error"]
    assert post(ports.http, {"X-API-Key": KEY})[0] == 200
    refused = pytest.raises(CallError, match="too many requests")
    with Client(f"localhost:{ports.grpc}", headers={"x-api-key": SLOW_KEY}) as client, refused:
        client.sentiment("well done")


def test_without_keys_an_address_may_have_a_limit(edge: Edge) -> None:
    ports = edge({}, EDGE_REQUESTS_PER_10S="3")
    assert [post(ports.http, {})[0] for _ in range(4)] == [200, 200, 200, 429]


def test_a_new_key_works_as_it_was_printed(edge: Edge, tmp_path: Path) -> None:
    keys = tmp_path / "api_keys"
    key = run("deploy/new_key.sh", "carol", "50", str(keys))
    assert key not in keys.read_text() and key.partition(".")[2] not in keys.read_text()
    ports = edge({"api_keys": keys.read_text()})
    assert post(ports.http, {"X-API-Key": key})[0] == 200


@pytest.mark.parametrize(
    ("secrets", "settings", "says"),
    [
        (
            {"api_keys": "alice not-a-digest 5\n"},
            {},
            "line 1: write NAME SHA256-OF-KEY REQUESTS-PER-10-SECONDS",
        ),
        ({"client_ca.pem": "x"}, {}, "needs tls.pem"),
        ({}, {"EDGE_BODY_MAX_BYTES": "64M"}, "number of bytes"),
    ],
)
def test_a_mistake_in_the_settings_is_told(
    edge: Edge, secrets: dict[str, str], settings: dict[str, str], says: str
) -> None:
    with pytest.raises(AssertionError, match=says):
        edge(secrets, **settings)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, and certificates of it for a server named localhost and for a client."""
    folder = tmp_path_factory.mktemp("authority")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    where = str(folder)
    run(
        "openssl",
        "req",
        "-x509",
        *new,
        "-keyout",
        f"{where}/ca.key",
        "-out",
        f"{where}/ca.pem",
        "-subj",
        "/CN=test CA",
    )
    for name in ("localhost", "client"):
        (folder / "extensions").write_text(f"subjectAltName=DNS:{name}\n")
        run(
            "openssl",
            "req",
            *new[:-2],
            "-keyout",
            f"{where}/{name}.key",
            "-out",
            f"{where}/{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        run("openssl", "x509", "-req", "-in", f"{where}/{name}.csr", "-CA", f"{where}/ca.pem", "-CAkey", f"{where}/ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", f"{where}/extensions", "-out", f"{where}/{name}.pem")  # fmt: skip
    return folder


def server_pem(authority: Path) -> str:
    return (authority / "localhost.pem").read_text() + (authority / "localhost.key").read_text()


def test_a_certificate_switches_tls_on_for_both_protocols(edge: Edge, authority: Path) -> None:
    ports = edge({"tls.pem": server_pem(authority)})
    trusted = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    assert post(ports.http, {}, trusted)[0] == 200
    with pytest.raises(ssl.SSLError):
        post(ports.http, {}, ssl.create_default_context())
    shake = (
        "openssl",
        "s_client",
        "-connect",
        f"localhost:{ports.http}",
        "-tls1_1",
        "-cipher",
        "ALL:@SECLEVEL=0",
    )
    assert "Cipher is (NONE)" in run(*shake, check=False)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        post(ports.http, {})  # without TLS
    with Client(f"grpcs://localhost:{ports.grpc}", ca_file=authority / "ca.pem") as client:
        assert client.sentiment("well done").label == "positive"
    with Client(f"localhost:{ports.grpc}") as client, pytest.raises(CallError):
        client.sentiment("well done")


def test_with_an_authority_only_clients_of_it_are_answered(edge: Edge, authority: Path) -> None:
    ports = edge({"tls.pem": server_pem(authority), "client_ca.pem": (authority / "ca.pem").read_text()})
    stranger = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        post(ports.http, {}, stranger)
    known = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    known.load_cert_chain(authority / "client.pem", authority / "client.key")
    assert post(ports.http, {}, known)[0] == 200

    def ready(**certificates: bytes) -> bool:
        credentials = grpc.ssl_channel_credentials((authority / "ca.pem").read_bytes(), **certificates)
        with grpcclient.InferenceServerClient(f"localhost:{ports.grpc}", creds=credentials) as client:
            return bool(client.is_server_ready(client_timeout=10))

    key, chain = (authority / "client.key").read_bytes(), (authority / "client.pem").read_bytes()
    assert ready(private_key=key, certificate_chain=chain)
    with pytest.raises(InferenceServerException):
        ready()
