"""Claims: cut to an audience, restricted to networks, and without a secret in their repr."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from app.access.scopes import Grants
from app.actions.audit.actor import anonymous
from app.credentials.api_key import ApiKeys
from app.credentials.kind import Claims, Issued
from app.crypto.opaque import digest
from app.models import ApiKey, ApiKeySecret, ClientSecret, PersonalAccessToken, SigningKey, User
from app.settings.addresses import Network, read_address, read_network
from tests.core import ORDERS, START, STOCK, Core

pytestmark = pytest.mark.both_databases

SOMEBODY = anonymous(None, None)


def claims(*networks: str, audience: tuple[str, ...] = (ORDERS, STOCK)) -> Claims:
    allowed: tuple[Network, ...] = tuple(read_network(n) for n in networks)
    grants = Grants.of([(ORDERS, "orders:read"), (STOCK, "stock:read")])
    return Claims(ApiKeys.name, "key_1", audience, grants, START, None, allowed_networks=allowed)


@pytest.mark.spec("RFC 7662 §2.2")
@settings(deadline=None)
@given(st.frozensets(st.sampled_from([ORDERS, STOCK, "https://other.example"])))
def test_a_resource_server_sees_its_own_and_nothing_more(served: frozenset[str]) -> None:
    cut = claims().cut_to(served)
    mine = served & {ORDERS, STOCK}
    assert (cut is None) == (not mine)
    if cut is not None:
        assert set(cut.audience) == mine == set(cut.grants.audience)
        assert cut.credential_id == "key_1"


def test_an_audience_without_scopes_is_still_an_audience() -> None:
    cut = claims(audience=("https://bare.example",)).cut_to(frozenset(["https://bare.example"]))
    assert cut is not None and str(cut.scopes) == ""


@pytest.mark.parametrize(
    ("networks", "address", "admitted"),
    [
        ((), "203.0.113.9", True),
        ((), None, True),
        (("192.0.2.0/24",), None, False),
        (("192.0.2.0/24",), "192.0.2.0", True),
        (("192.0.2.0/24",), "192.0.2.255", True),
        (("192.0.2.0/24",), "192.0.3.0", False),
        (("192.0.2.7/32",), "192.0.2.7", True),
        (("192.0.2.7/32",), "192.0.2.8", False),
        (("0.0.0.0/0",), "198.51.100.1", True),
        (("0.0.0.0/0",), "2001:db8::1", False),
        (("::/0",), "198.51.100.1", False),
        (("2001:db8::/32",), "2001:db8:ffff::1", True),
        (("2001:db8::/32",), "2001:db9::1", False),
        (("2001:db8::1/128", "192.0.2.0/24"), "192.0.2.1", True),
        (("2001:db8::1/128", "192.0.2.0/24"), "2001:db8::1", True),
        (("2001:db8::1/128", "192.0.2.0/24"), "2001:db8::2", False),
        (("::ffff:127.0.0.0/104",), "127.9.9.9", True),
        (("::ffff:127.0.0.0/104",), "::ffff:127.9.9.9", True),
        (("::ffff:127.0.0.0/104",), "128.0.0.1", False),
        (("::ffff:0:0/96",), "198.51.100.1", True),
        (("::ffff:0:0/96",), "2001:db8::1", False),
        (("::ffff:192.0.2.7",), "192.0.2.7", True),
        (("::fffe:0:0/95",), "192.0.2.7", False),  # wider than the mapped range: IPv6 alone
        (("::/0",), "::ffff:192.0.2.7", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("192.0.2.0/24",), "2002:c000:0207::1", False),  # 6to4 is IPv6
    ],
)
def test_networks_admit_their_addresses_and_no_others(
    networks: tuple[str, ...], address: str | None, admitted: bool
) -> None:
    assert claims(*networks).allows_address(read_address(address) if address else None) is admitted


def test_no_value_that_carries_a_secret_shows_it(core: Core) -> None:
    pat_view, pat = core.pat("alice", "orders:read")
    key_view, key = core.key()
    issue = core.actions.issue_machine_token
    token = issue.sign(issue.decide(core.row_id("robot"), "robot", "stock:read", []))
    shown = [pat_view, key_view, Issued("id", pat), token, core.verified(pat), core.verified(key)]
    shown += [core.actions.inspect(pat), core.actions.inspect(key), core.actions.inspect(token.token)]
    printed = "".join(f"{value!r} {value}" for value in shown)
    for secret in (pat, key, token.token):
        assert secret not in printed and digest(secret) not in printed and secret[7:39] not in printed


def test_no_row_shows_a_secret_or_a_digest(core: Core) -> None:
    _, pat = core.pat("alice", "orders:read")
    _, key = core.key()
    secret = core.client_secret("robot")
    with core.store.transaction() as session:
        session.get_one(User, core.row_id("alice")).password_digest = "$argon2id$made-up"
    with core.store.reading() as session:
        tables = (PersonalAccessToken, ApiKey, ApiKeySecret, ClientSecret, SigningKey, User)
        rows = [row for table in tables for row in session.scalars(select(table))]
        printed = "".join(f"{row!r} {row}" for row in rows)
        sealed = [row.sealed_private_key for row in rows if isinstance(row, SigningKey)]
    assert len(rows) == 7
    for one in (pat, key, secret):
        assert one not in printed and digest(one) not in printed
    assert "argon2" not in printed and all(s.decode() not in printed for s in sealed)


def test_no_plaintext_secret_is_in_the_database(core: Core) -> None:
    secrets = [core.pat("alice", "orders:read")[1], core.key()[1], core.client_secret("robot")]
    secrets += [core.m2m("robot", "stock:read"), core.exchange(secrets[0]), core.exchange(secrets[1])]
    for secret in secrets:
        core.actions.revoke_token(SOMEBODY, secret, "robot")
    stored = core.database.dump()
    assert digest(secrets[0]).encode() in stored  # what was written last is looked at too
    for secret in secrets:
        parts = secret.split(".") if "." in secret else [secret[7:39]]
        assert not [part for part in parts[-2:] if part.encode() in stored]
