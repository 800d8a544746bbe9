"""The table of ASVS 5.0.0 is complete, names existing tests, and documents the limits of the code."""

import ast
import base64
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine

import app.models  # noqa: F401 - fills Base
from app import MAX_BODY
from app.actions.delegation import app_tokens, codes, devices
from app.actions.directory import (
    api_keys,
    app_metadata,
    client_documents,
    client_secrets,
    federated_credentials,
    resources,
)
from app.actions.limits import abuse as abuse_limits
from app.actions.limits import storage as rate_limits
from app.actions.sign_in import known_addresses, passwords, sessions
from app.actions.tokens import check_proof
from app.actions.trust import fetch_json, fetch_jwks, flights
from app.actions.trust import registration as client_keys
from app.crypto import jws, signing
from app.crypto.opaque import Prefix
from app.database.types import Base
from app.errors import BadSettings
from app.http import request_bounds
from app.management import credentials, paging
from app.models import SigningKey
from app.oauth import assertions, client_authentication, private_key_jwt, workload
from app.settings.settings import Settings
from tests import asvs
from tests.architecture.checkout import ROOT, files_in, short
from tests.architecture.test_contract_table import names_in

TEXT = (ROOT / asvs.TABLE).read_text(encoding="utf-8")
ROWS = asvs.rows(TEXT)
REASON = "does not apply: "
WITH_LEVEL_3 = ("9", "10")
# section:how many requirements of level 1, 2 and 3, which are numbered in this order
SECTIONS = """2.1:1,2,0 2.2:2,1,0 2.3:1,3,1 2.4:0,1,1
3.1:0,0,1 3.2:2,0,1 3.3:1,3,1 3.4:2,4,2 3.5:3,2,3 3.6:0,0,1 3.7:0,2,3
4.1:1,2,2 4.2:0,1,4 4.3:0,2,0 4.4:1,3,0
6.1:1,2,0 6.2:8,4,0 6.3:2,2,4 6.4:2,2,2 6.5:0,5,3 6.6:0,3,1 6.7:0,0,2 6.8:0,4,0
7.1:0,3,0 7.2:4,0,0 7.3:0,2,0 7.4:2,3,0 7.5:0,2,1 7.6:0,2,0
8.1:1,1,2 8.2:2,1,1 8.3:1,0,2 8.4:0,1,1
9.1:3,0,0 9.2:1,3,0
10.1:0,2,0 10.2:0,2,1 10.3:0,4,1 10.4:5,6,5 10.5:0,5,0 10.6:0,2,0 10.7:0,3,0
11.1:0,2,2 11.2:0,3,2 11.3:2,1,2 11.4:1,3,0 11.5:0,1,1 11.6:0,1,1 11.7:0,0,2
13.1:0,1,3 13.2:0,5,1 13.3:0,2,2 13.4:1,4,2
14.1:0,2,0 14.2:1,3,4 14.3:1,2,0
16.1:0,1,0 16.2:0,5,0 16.3:0,4,0 16.4:0,3,0 16.5:0,3,1"""


def wanted() -> list[str]:
    """Return the numbers of the requirements that must be answered."""
    numbers = []
    for section, _, counts in (entry.partition(":") for entry in re.split(r"\s", SECTIONS)):
        first, second, third = map(int, counts.split(","))
        most = first + second + (third if section.split(".")[0] in WITH_LEVEL_3 else 0)
        numbers += [f"{section}.{number}" for number in range(1, most + 1)]
    return numbers


def section(title: str) -> str:
    """Return the text below a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    assert found, title
    return found[1]


@pytest.mark.contract("ASVS 5.0.0: every requirement has an answer, and what it names has run")
def test_each_requirement_has_one_row() -> None:
    answered = [number for row in ROWS for number in row.numbers]
    assert sorted(answered) == sorted(set(answered))
    assert set(wanted()) - set(answered) == set()
    assert set(answered) - set(wanted()) == set()


@pytest.mark.contract("ASVS 5.0.0: every requirement has an answer, and what it names has run")
def test_each_row_has_an_answer_and_a_test_or_a_reason() -> None:
    assert [row.numbers for row in ROWS if len(row.answer) < 8] == []
    bare = [row.numbers for row in ROWS if not row.tests and not row.shown_by.startswith(REASON)]
    assert bare == []
    assert [row.numbers for row in ROWS if row.shown_by.startswith(REASON) and len(row.shown_by) < 25] == []


def test_each_row_of_an_rfc_names_tests() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("| RFC ")]
    assert len(lines) > 15 and not [line for line in lines if not asvs.FILE.search(line)]


def test_each_line_that_looks_like_a_row_is_one() -> None:
    lines = [line for line in TEXT.splitlines() if re.match(r"\| \d+\.\d", line)]
    assert len(lines) == len(ROWS)
    assert not [line for line in lines if line.count(".py") != len(asvs.FILE.findall(line))]


@pytest.mark.contract("ASVS 5.0.0: every requirement has an answer, and what it names has run")
def test_each_test_that_is_named_exists() -> None:
    named = sorted(asvs.named_tests(TEXT))
    assert len(named) > 150
    missing = []
    for file in {name.partition("::")[0].removeprefix("tests/") for name in named}:
        there = names_in(file)
        missing += [
            name for name in named if name.startswith(f"tests/{file}::") and name.split("::test_")[1] not in there
        ]
    assert missing == []


@pytest.mark.asvs("2.1.3", "6.1.1", "7.1.1", "11.4.2", "13.1.1")
@pytest.mark.contract("asvs.md names the limits, keys, data, logs and rules of the code")
@pytest.mark.usefixtures("real_hashes")
def test_the_limits_match_the_code() -> None:
    documented = section("Limits") + section("Sessions") + section("Words that make a password easy")
    guessing = [one for one in vars(abuse_limits).values() if isinstance(one, abuse_limits.Limit)]
    assert len(guessing) > 5
    hasher = passwords.Passwords()._hasher
    for said in (
        *(f"(`{one.name}`) | {one.most} in {one.window_seconds} seconds" for one in guessing),
        f"| {known_addresses.RETENTION.days} days after their last sign-in",
        f"| {passwords.SHORTEST_PASSWORD} to {passwords.LONGEST_PASSWORD} characters, at least {passwords.COMMON:,} "
        "guesses",
        f"must take {passwords.COMMON:,} guesses",
        f"the first {passwords.ESTIMATED} characters",
        f"{passwords.FEWEST_DIFFERENT} different characters and be no common password. Words",
        f"fewer than {passwords.SHORTEST_WORD} characters",
        f"argon2id, {hasher.memory_cost} KiB, {hasher.time_cost} passes; {passwords.AT_ONCE} at once",
        f"| a form | {request_bounds.MOST_FORM} bytes",
        f"| a header | {request_bounds.LONGEST_HEADER} characters",
        f"| a session without use | {sessions.IDLE.total_seconds() / 3600:.0f} hours",
        f"| a session in all | {sessions.MAX_AGE.days} days",
        f"not used for {sessions.IDLE.total_seconds() / 3600:.0f} hours, and {sessions.MAX_AGE.days} days after",
        f"| {sessions.FRESH.total_seconds() / 60:.0f} minutes old",
        f"live secrets | {client_secrets.MOST_LIVE} |",
        f"an authorization code | {codes.LIFETIME.total_seconds():.0f} seconds",
        f"a device's code | {devices.LIFETIME.total_seconds():.0f} seconds",
        f"; {app_tokens.GRACE.total_seconds():.0f} seconds more once it is replaced",
        f"for one user | {app_tokens.MOST_GRANTS}; beyond it the oldest ends",
        f"API key | {api_keys.LONGEST_OVERLAP} seconds",
        f"M2M token | {resources.SHORTEST_TTL} to {resources.LONGEST_TTL} seconds",
        f"ends {private_key_jwt.FURTHEST.total_seconds():.0f} seconds ahead",
        f"with {assertions.LEEWAY.seconds} seconds of leeway",
        f"| within {check_proof.FRESH.seconds} seconds of our clock",
        f"| ends {workload.FURTHEST.total_seconds():.0f} seconds ahead at most",
        f"a client trusts {federated_credentials.MOST_PER_CLIENT} issuers",
        f"| a body | {MAX_BODY} bytes",
        f"bytes, {request_bounds.MOST_FIELDS} fields",
        f"| a list | {paging.DEFAULT_LIMIT} items, {paging.HIGHEST_LIMIT} if asked",
        f"| a leak report | {credentials.MOST_CREDENTIALS} strings",
        f"| {client_keys.MOST_KEYS}, of at least {client_keys.RSA_BITS.start} bits",
        f"| {fetch_json.LARGEST_RESPONSE} bytes in {fetch_json.PATIENCE:.0f} seconds; kept for {fetch_jwks.FRESH:.0f}",
        f"again after {fetch_jwks.AGAIN:.0f} at the earliest; {flights.AT_ONCE} fetches at once in a process",
        f"| {app_metadata.LARGEST} bytes, {app_metadata.MOST_MEMBERS} elements an object or list,"
        f" {app_metadata.DEEPEST} deep",
        f"a document is kept for {client_documents.SHORTEST} to {client_documents.LONGEST} seconds",
        f"asked for again after {client_documents.AGAIN:.0f} |",
        f"| {rate_limits.REDIS_PATIENCE} seconds of patience, then {rate_limits.REDIS_PAUSE:.0f} without",
        f"verifies for {signing.RETIRING.total_seconds():.0f} seconds",
    ):
        assert said in documented, said


@pytest.mark.asvs("11.1.1", "11.1.2", "11.2.1", "11.3.1", "11.4.1")
@pytest.mark.contract("asvs.md names the limits, keys, data, logs and rules of the code")
def test_each_algorithm_of_the_code_is_in_the_inventory() -> None:
    inventory = section("Keys and algorithms")
    for name in (signing.ALGORITHM, *jws.ALGORITHMS):
        assert name in inventory
    known = {"sha256", "sha1", "crc32"}
    used = set()
    for file in files_in("app"):
        text = file.read_text(encoding="utf-8")
        used |= set(re.findall(r"(?:hashlib\.|\b)(sha\d+|md5|blake2\w|crc32)\(", text)) - {"sha256"}
        assert not re.search(r"\b(modes\.|PKCS1v15|OAEP|TripleDES|ARC4|ECB)\b", text), short(file)
        for module in re.findall(r"^(?:from|import) (cryptography[\w.]*|hmac|argon2|jwt|joserfc)\b", text, re.M):
            assert not module.endswith((".ciphers", ".cmac", ".padding")), short(file)
    assert used <= known, used
    assert "SHA-1" in inventory and "CRC-32" in inventory


@pytest.mark.asvs("RFC 8725 §3.5", "11.5.1")
def test_nothing_but_request_ids_comes_from_a_weak_source() -> None:
    weak = [
        short(file)
        for file in files_in("app")
        if re.search(r"^\s*(import random\b|from random )|uuid[14]\(|numpy", file.read_text(encoding="utf-8"), re.M)
    ]
    assert weak == ["app/http/envelope.py"]


@pytest.mark.asvs("11.3.3")
def test_a_seal_that_was_touched_opens_nothing() -> None:
    keys = signing.SigningKeys("k" * 40)
    row = keys._new("active", datetime(2030, 1, 1, tzinfo=UTC))
    assert isinstance(row, SigningKey) and keys._unseal(row.sealed_private_key)
    sealed = bytearray(base64.urlsafe_b64decode(row.sealed_private_key))
    for place in (0, 10, 30, len(sealed) // 2, len(sealed) - 1):
        touched = bytes(byte ^ (1 if at == place else 0) for at, byte in enumerate(sealed))
        with pytest.raises(BadSettings):
            keys._unseal(base64.urlsafe_b64encode(touched))


@pytest.mark.asvs("16.1.1")
@pytest.mark.contract("asvs.md names the limits, keys, data, logs and rules of the code")
def test_each_event_of_the_code_is_in_the_inventory() -> None:
    documented = section("Logs")
    told = set()
    for file in files_in("app"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "record":
                told |= {
                    arg.value
                    for arg in node.args
                    if isinstance(arg, ast.Constant) and isinstance(arg.value, str) and "." in arg.value
                }
    assert len(told) > 4
    assert not {
        name for name in told if f"`{name}`" not in documented and f"`{name.split('.')[0]}.*`" not in documented
    }


@pytest.mark.asvs("14.1.1", "14.1.2")
@pytest.mark.contract("asvs.md names the limits, keys, data, logs and rules of the code")
def test_each_table_has_its_level() -> None:
    levels = section("Data")
    assert not [table for table in Base.metadata.tables if f"`{table}`" not in levels]
    secret = re.search(r"^\| secret \| (`.*)\|$", levels, re.M)
    assert secret
    for name, table in Base.metadata.tables.items():
        kept = {"digest", "password_digest", "sealed_private_key"} & set(table.columns.keys())
        if kept and not name.startswith("used_"):
            assert f"`{name}`" in secret[1], name


WAYS = {
    "lk_pat_": "PAT",
    "lk_key_": "API key",
    "lk_sec_": "secret",
    "lk_ref_": "refresh token",
    "lk_code_": "authorization code",
    "lk_dev_": "device code",
    "lk_reg_": "registration access token",
}


@pytest.mark.asvs("6.1.3")
def test_each_way_in_is_documented() -> None:
    ways = section("Ways in")
    for path in ("/login", "/account", "/console", "/api/v1/me", "/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        assert f"`{path}`" in ways
    for prefix in Prefix:
        assert WAYS[prefix] in ways
    assert len(client_authentication.METHODS) == 3 and "assertion" in ways


@pytest.mark.asvs("8.1.1", "8.1.2")
def test_each_kind_of_object_has_its_rule() -> None:
    rules = section("Whose is what")
    for scope in ("resources", "roles", "users", "clients", "tokens", "api-keys", "keys", "audit"):
        assert f"`{scope}:read`" in rules
    for scope in ("resources", "roles", "users", "clients", "tokens", "api-keys", "keys"):
        assert f"`{scope}:write`" in rules


@pytest.mark.asvs("2.1.2")
def test_what_must_fit_together_is_documented() -> None:
    rules = section("What must fit together")
    for named in ("`expires_at`", "`expires_in`", "`private_key_jwt`", "`jwks`", "`jwks_uri`", "resource"):
        assert named in rules


@pytest.mark.asvs("13.2.1")
def test_the_database_may_be_met_with_a_certificate(tmp_path: Path) -> None:
    url = (
        "postgresql://latchkey@db.example/latchkey?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem"
    )
    settings = Settings(instance_dir=tmp_path, database_url=url)
    _, options = create_engine(settings.database_url).dialect.create_connect_args(
        create_engine(settings.database_url).url
    )
    assert (options["sslmode"], options["sslcert"], options["sslkey"]) == ("verify-full", "/c.pem", "/k.pem")
    assert "password" not in options
