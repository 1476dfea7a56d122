"""A command that cannot start exits with 2 within seconds, with one line that names what to change."""

import io
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from flows.cli.encoding import accept_any_text
from flows.common.errors import SettingsError
from flows.common.loopback import bypass_proxies_for_loopback, is_loopback
from flows.destinations import configured as elsewhere
from flows.orchestration import api_check as prefect_check
from flows.orchestration.api_check import check_prefect
from flows.sandbox import Server
from flows.source.client import DripClient
from flows.source.environment_checks import API_CERTIFICATES, CERTIFICATES, check_certificates, check_home
from flows.source.errors import Unreachable
from flows.source.settings import load_settings
from tests.surroundings.conftest import Run, assert_one_line

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
NO_PROXIES = ("NO_PROXY", "no_proxy")
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set all proxies to an address where nothing listens, without exceptions."""
    for name in NO_PROXIES:
        monkeypatch.setenv(name, "")
    for name in PROXIES:
        monkeypatch.setenv(name, NOBODY)


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that accepts connections but never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api"


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_api_on_this_machine_is_asked_directly(server: Server, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url.replace("127.0.0.1", host))
    monkeypatch.setenv("SOURCES__DRIP__MAX_RETRIES", "0")
    assert b"1000001" in DripClient(load_settings()).get("/accounts", {}).body


@pytest.mark.usefixtures("proxied")
def test_another_machine_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", "key")
    monkeypatch.setenv("SOURCES__DRIP__BASE_URL", "http://drip.example.com/v2")
    monkeypatch.setenv("SOURCES__DRIP__MAX_RETRIES", "0")
    with pytest.raises(Unreachable, match=r"(?i)proxy"):
        DripClient(load_settings()).get("/accounts", {})


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize("listed", ["", "intranet.example.com, 10.0.0.1"])
def test_what_else_bypasses_the_proxy_still_does(server: Server, monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    monkeypatch.setenv("no_proxy", listed)
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
    bypass_proxies_for_loopback("http://127.0.0.7:4200/api", "https://prefect.example.com/api")
    assert httpx.get(server.url).status_code == 401
    for name in NO_PROXIES:
        names = os.environ[name].split(",")
        assert {"localhost", "127.0.0.1", "::1", "127.0.0.7", *filter(None, listed.split(", "))} == set(names)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:80/x", True),
        ("http://api.localhost", True),
        ("http://127.8.9.1/v2", True),
        ("http://[::1]:4200/api", True),
        ("http://[::ffff:127.0.0.1]/api", True),
        ("http://0.0.0.0:4200", True),
        ("http://localhost.example.com", False),
        ("http://10.0.0.1", False),
        ("http://[2001:db8::1]/", False),
        ("nonsense", False),
    ],
)
def test_loopback_addresses(url: str, loopback: bool) -> None:
    assert is_loopback(url) == loopback


@pytest.mark.parametrize("url", [f"{NOBODY}/api", "127.0.0.1:4200/api", "http://no-such-host.invalid/api", "silent"])
def test_a_prefect_that_does_not_answer(silent: str, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(prefect_check, "ANSWER_SECONDS", 0.2)
    url = silent if url == "silent" else url
    with temporary_settings({PREFECT_API_URL: url}), pytest.raises(SettingsError, match="PREFECT_API_URL") as caught:
        check_prefect()
    assert "\n" not in str(caught.value)


def test_an_address_that_something_else_answers_at(server: Server) -> None:
    url = server.url.replace("://", "://me:s3cr3t@")
    with temporary_settings({PREFECT_API_URL: url}), pytest.raises(SettingsError, match="HTTP 401") as caught:
        check_prefect()
    assert "s3cr3t" not in str(caught.value)


def test_a_prefect_that_answers(prefect_server: None) -> None:
    check_prefect()


@pytest.mark.parametrize("words", [["sync"], ["deploy"], ["secret", "SOURCES__DRIP__API_KEY"]], ids=" ".join)
@pytest.mark.usefixtures("server", "warehouse")
def test_a_command_finds_prefect_down_before_it_begins(run: Run, words: list[str]) -> None:
    with temporary_settings({PREFECT_API_URL: f"{NOBODY}/api"}):
        result = run(*words)
    assert_one_line(result, "PREFECT_API_URL", NOBODY)
    assert "starting Prefect" not in result.stdout


@pytest.mark.parametrize("place", ["file", "file/home"])
def test_a_home_of_prefect_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / place
    with (
        temporary_settings({PREFECT_HOME: home}, restore_defaults={PREFECT_API_URL}),
        pytest.raises(SettingsError, match=f"{home}.*PREFECT_HOME"),
    ):
        check_prefect()


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user has only a number, as in a container that runs with a user id."""

    def unknown(_: int) -> None:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nameless")
@pytest.mark.parametrize("place", ["file:///data/lake", "s3://bucket/lake"])
def test_a_user_without_a_name_has_a_lock(place: str) -> None:
    assert elsewhere.lock_file(place, "drip") == elsewhere.lock_file(place, "drip")
    assert elsewhere.lock_file(place, "drip") != elsewhere.lock_file(place, "other")


@pytest.mark.usefixtures("nameless")
@pytest.mark.parametrize("command", ["accounts", "freshness"])
def test_a_user_without_a_home(run: Run, command: str) -> None:
    assert_one_line(run(command, HOME=None), "HOME")


@pytest.mark.usefixtures("nameless")
def test_a_home_needs_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    check_home()


@pytest.mark.parametrize("variable", CERTIFICATES)
@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_certificates_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None
) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    for name in CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(path))
    with pytest.raises(SettingsError, match=f"{path}.*change {variable}"):
        check_certificates()


@pytest.mark.parametrize("command", ["sync", "accounts"])
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "CURL_CA_BUNDLE"])
@pytest.mark.usefixtures("server", "warehouse")
def test_a_command_names_the_variable(run: Run, command: str, variable: str) -> None:
    assert_one_line(run(command, **{variable: "/nowhere/bundle.pem"}), "/nowhere/bundle.pem", variable)


class Accounts(BaseHTTPRequestHandler):
    """Returns an empty list of accounts to every request."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"accounts": []}')

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def certificate_of_its_own() -> bytes:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now, day = datetime.now(UTC), timedelta(days=1)
    unsigned = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = unsigned.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem) + private


@pytest.fixture
def signed(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The URL of an API with a self-signed certificate, and the certificate file."""
    path = tmp_path / "own.pem"
    path.write_bytes(certificate_of_its_own())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with HTTPServer(("127.0.0.1", 0), Accounts) as httpd:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{httpd.server_port}/v2", path
        httpd.shutdown()


@pytest.mark.parametrize("variable", API_CERTIFICATES)
def test_certificates_hold_for_the_api(
    signed: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    url, path = signed
    settings = {"BASE_URL": url, "API_KEY": "key", "MAX_RETRIES": "0"}
    for name, value in settings.items():
        monkeypatch.setenv(f"SOURCES__DRIP__{name}", value)
    for name in API_CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        DripClient(load_settings()).get("/accounts", {})
    monkeypatch.setenv(variable, str(path))
    assert DripClient(load_settings()).get("/accounts", {}).body == b'{"accounts": []}'


@pytest.mark.parametrize("text", ["k\u200bey", "k\u00a0ey", "k\ney", "ключ", "k\u2028ey"])
@pytest.mark.parametrize("name", ["API_KEY", "ACCESS_TOKEN", "PASSWORD", "USER_AGENT"])
def test_text_that_no_header_can_carry(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", "key")
    monkeypatch.setenv(f"SOURCES__DRIP__{name}", text)
    with pytest.raises(SettingsError, match=rf"SOURCES__DRIP__{name} .*U\+") as caught:
        load_settings()
    assert text not in str(caught.value)


def test_latin_1_in_a_header_is_no_fault(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__USER_AGENT", "Café (drip-flows)")
    assert DripClient(load_settings()).get("/accounts", {}).body


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--port", "99999"),
        ("--port", "-1"),
        ("--subscribers", "-5"),
        ("--subscribers", "1000001"),
        ("--rate-limit", "0"),
        ("--rate-window", "nan"),
        ("--latency-ms", "-1"),
        ("--host", "no-such-host.invalid"),
    ],
)
def test_a_sandbox_that_cannot_be_served(run: Run, option: str, value: str) -> None:
    words = [] if option in ("--port", "--host") else ["--port", "0"]
    assert_one_line(run("sandbox", *words, option, value), "" if option == "--host" else f"{option} {value}")


def python_m_flows(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows", *words]
    settings = {**os.environ, **environment}
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=120, check=False)


def test_accounts_are_shown_where_the_encoding_lacks_their_names(server: Server) -> None:
    result = python_m_flows("accounts", PYTHONIOENCODING="cp1252")
    assert result.returncode == 0, result.stderr
    assert "1000001" in result.stdout
    assert "\\u5317" in result.stdout


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("ascii", b"Caf\\xe9 \\u738b"), ("cp1252", b"Caf\xe9 \\u738b"), ("gbk", b"Caf\xa8\xa6 \xcd\xf5")],
)
def test_any_text_is_written_in_any_encoding(encoding: str, written: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    accept_any_text(stream, None)
    stream.write("Café 王")
    stream.flush()
    assert raw.getvalue() == written


def test_python_m_flows_is_the_command() -> None:
    result = python_m_flows("sandbox", "--port", "65536")
    assert (result.returncode, result.stdout) == (2, "")
    assert "--port 65536" in result.stderr
    assert "copy-to-postgres" in python_m_flows("--help").stdout


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("RUNTIME__LOG_LEVEL", "nonsense", ["nonsense", "check RUNTIME__LOG_LEVEL"]),
        ("DESTINATION__DUCKDB__CREDENTIALS", "~nobody-has-this-name/x.duckdb", ["home directory"]),
    ],
)
def test_what_nobody_foresaw_is_one_line(run: Run, variable: str, value: str, words: list[str]) -> None:
    assert_one_line(run("freshness", **{variable: value}), *words)


def test_verbose_shows_the_traceback(run: Run) -> None:
    result = run("--verbose", "freshness", RUNTIME__LOG_LEVEL="nonsense")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "RUNTIME__LOG_LEVEL" in result.stderr.splitlines()[-1]
