"""Secrets are removed from text in every encoding, and from every source of settings."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext, switched_run_context
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.common import scrubbing
from flows.common.scrubbing import MASK, remember, scrub

FORMS: dict[str, Callable[[str], str]] = {
    "literal": str,
    "repr": lambda secret: repr(secret)[1:-1],
    "repr of bytes": lambda secret: repr(secret.encode())[2:-1] if secret.isascii() else secret,
    "ascii": lambda secret: ascii(secret)[1:-1],
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "URL": lambda secret: quote(secret, safe=""),
    "URL path": quote,
    "URL as SQLAlchemy writes it": lambda secret: quote(secret, safe=" +"),
    "URL in small letters": lambda secret: quote(secret, safe="").replace("%2F", "%2f").replace("%3D", "%3d"),
    "form": quote_plus,
    "Base64": lambda secret: b64encode(secret.encode()).decode().rstrip("="),
    "Base64 for URLs": lambda secret: urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    "HTTP Basic": lambda secret: b64encode(f"{secret}:".encode()).decode(),
    "HTTP Basic, as the password": lambda secret: b64encode(f"ann:{secret}".encode()).decode(),
    "HTTP Basic, as the password of another": lambda secret: b64encode(f"jo:{secret}".encode()).decode(),
    "Base64 of Latin-1": lambda secret: b64encode(f":{secret}".encode("latin-1", errors="replace")).decode(),
}
SECRETS = [
    "k3y-of-nobody-7781",
    "with a space and a ' and a \"",
    "50%+more/and=more?&#",
    "back\\slash\ttab\nline",
    "größer_als_früher",
    "密码-很长的密码-12345",
    "[bold]markup[/]*_`|",
]


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear the secrets of other tests."""
    monkeypatch.setattr(scrubbing, "_remembered", set[str]())


def shown(secret: str, form: str) -> str:
    return f"cannot reach <{FORMS[form](secret)}>: refused"


def middle(text: str) -> str:
    """The text between the brackets, without its ends, which in Base64 also depend on the neighbours."""
    inner = text.partition("<")[2].rpartition(">")[0]
    return inner[6:-6] if len(inner) > 16 else inner


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", SECRETS)
def test_every_form_is_removed(monkeypatch: pytest.MonkeyPatch, secret: str, form: str) -> None:
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", secret)
    text = shown(secret, form)
    assert MASK in scrub(text), text
    assert middle(text) not in scrub(text)
    assert scrub(text).startswith("cannot reach <")
    assert scrub(text).endswith(">: refused")


@settings(max_examples=25)
@given(secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=8).filter(lambda text: len(text.strip()) >= 8))
def test_any_secret_is_removed(secret: str) -> None:
    scrubbing._remembered.clear()
    remember(secret)
    for form in FORMS:
        assert MASK in scrub(shown(secret, form)), form


def test_what_is_not_secret_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "the database 127.0.0.1:5432/shop, user postgres, pass, passport, tokens: 3 of a; /data/warehouse.duckdb"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://postgres:postgres@127.0.0.1:5432/shop")
    monkeypatch.setenv("SOURCES__DRIP__PASSWORD", "pass")
    monkeypatch.setenv("SOURCES__DRIP__ACCESS_TOKEN", "a")
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "/data/warehouse.duckdb")
    assert scrub(text) == text.replace(" pass,", f" {MASK},")


HELD = {
    "token": ("SOURCES__DRIP__ACCESS_TOKEN", "{}"),
    "token with white space around it": ("SOURCES__DRIP__ACCESS_TOKEN", " {}\n"),
    "connection": ("SOURCES__DRIP__ACME__API_KEY", "{}"),
    "URL": ("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://me:{}@host:5432/db"),
    "URL that is not encoded": ("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://me:{}@x@host/db"),
    "URL that is none": ("DESTINATION__POSTGRES__CREDENTIALS", "mysql//{}"),
    "URL with a token": ("DESTINATION__MOTHERDUCK__CREDENTIALS", "md://db?motherduck_token={}"),
    "parts of credentials": ("DESTINATION__POSTGRES__CREDENTIALS__PASSWORD", "{}"),
    "keywords": ("DESTINATION__SNOWFLAKE__CREDENTIALS", "host=h user=u password='{}' dbname=d"),
    "JSON": ("DESTINATION__BIGQUERY__CREDENTIALS", '{{"project_id": "p", "private_key": "{}"}}'),
    "bucket": ("AWS_SECRET_ACCESS_KEY", "{}"),
    "Prefect": ("PREFECT_API_KEY", "{}"),
    "libpq": ("PGPASSWORD", "{}"),
    "proxy": ("HTTPS_PROXY", "http://me:{}@proxy:3128"),
}


@pytest.mark.parametrize("held", HELD)
def test_wherever_the_environment_holds_it(monkeypatch: pytest.MonkeyPatch, held: str) -> None:
    name, value = HELD[held]
    monkeypatch.setenv(name, value.format(SECRETS[0]))
    assert SECRETS[0] not in scrub(f"no answer for {SECRETS[0]}")
    assert scrub("no answer for me at host") == "no answer for me at host"


@pytest.fixture
def in_project(tmp_path: Path) -> Iterator[Path]:
    """The folder with the secrets of dlt's current project."""
    (tmp_path / ".dlt").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLT_PROJECT_DIR", str(tmp_path))
        with switched_run_context(RunContext(str(tmp_path))):
            yield tmp_path / ".dlt"
            patch.undo()


@pytest.mark.parametrize(
    "table",
    [
        '[sources.drip.acme]\napi_key = "{}"',
        '[destination.postgres]\ncredentials = "postgresql://me:{}@host/db"',
        '[destination.postgres.credentials]\nhost = "host"\npassword = "{}"',
        '[destination.filesystem.credentials]\naws_secret_access_key = "{}"',
    ],
    ids=["connection", "URL", "parts", "bucket"],
)
def test_wherever_a_file_holds_it(in_project: Path, table: str) -> None:
    (in_project / "secrets.toml").write_text(table.format(SECRETS[0]))
    Container()[PluggableRunContext].reload_providers()
    assert scrub(f"{SECRETS[0]} for host") == f"{MASK} for host"
