"""A JWT's kind is read from its shape alone, for any input."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.crypto.access_token import MAX_TOKEN_LENGTH, audience_of, kind_of
from tests.core import Core

quick = settings(deadline=None, max_examples=150)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def encoded(payload: bytes) -> str:
    return base64.urlsafe_b64encode(payload).rstrip(b"=").decode()


@quick
@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    assert kind_of(text) is None


@pytest.mark.asvs("RFC 8725 §3.3")
@quick
@given(st.binary(min_size=1, max_size=60))
def test_no_payload_makes_it_raise(payload: bytes) -> None:
    assert kind_of(f"e30.{encoded(payload)}.sig") is None


@pytest.mark.asvs("RFC 8725 §3.7")
@quick
@given(st.lists(st.text(st.sampled_from("ABCabc019-_"), min_size=1, max_size=9), min_size=1, max_size=5))
def test_no_dotted_base64_makes_it_raise(parts: list[str]) -> None:
    assert kind_of(".".join(parts)) is None


@quick
@given(JSON)
def test_it_names_only_a_string(value: object) -> None:
    assert kind_of(f"e30.{encoded(json.dumps(value).encode())}.sig") is None
    token = f"e30.{encoded(json.dumps({'credential_type': value}).encode())}.sig"
    assert kind_of(token) == (value if isinstance(value, str) else None)


@pytest.mark.asvs("RFC 8725 §2.7, §3.6")
@pytest.mark.parametrize(
    "payload",
    [b"[" * 9000, b'{"a":' * 2000, b"1" * 9000, b"{} trailing", b"", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"NaN"],
    ids=["deep", "deep objects", "huge number", "trailing", "empty", "utf-16", "byte order mark", "no number"],
)
def test_json_bombs_name_no_kind(payload: bytes) -> None:
    assert kind_of(f"e30.{encoded(payload)}.sig") is None


@pytest.mark.asvs("RFC 8725 §2.7, §3.6")
def test_what_is_too_long_is_not_even_looked_at() -> None:
    payload = encoded(json.dumps({"credential_type": "client_credentials"}).encode())
    assert kind_of(f"e30.{payload}.{'s' * 100}") == "client_credentials"
    assert kind_of(f"e30.{payload}.{'s' * MAX_TOKEN_LENGTH}") is None


@pytest.mark.parametrize("token", ["a.b", "a.b.c.d", ".b.c", "a..c", "a.b.", "a.b=.c", "a.b.c\n", " a.b.c", "a.b.ć"])
def test_a_text_that_is_not_a_compact_jwt_has_no_kind(token: str) -> None:
    assert kind_of(token) is None


def test_our_own_tokens_name_theirs(core: Core) -> None:
    _, pat = core.pat("alice", "orders:read")
    _, key = core.key()
    assert kind_of(core.m2m("robot", "stock:read")) == "client_credentials"
    assert kind_of(core.exchange(pat)) == "personal_access_token"
    assert kind_of(core.exchange(key)) == "api_key"
    assert kind_of(pat) is kind_of(key) is None


@pytest.mark.spec("RFC 7519 §4.1.3")
def test_an_audience_is_a_string_or_several() -> None:
    assert audience_of({"aud": "one"}) == ("one",)
    assert audience_of({"aud": ["one", "two"]}) == ("one", "two")
