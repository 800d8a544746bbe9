"""A test for each trap of the libraries below: what Authlib does by itself, and we do not."""

import logging
import threading
from typing import Any

import jwt
import pytest
from authlib.integrations.sqla_oauth2 import OAuth2ClientMixin, OAuth2TokenMixin
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from app.database.types import Base
from app.oauth.client_authentication import METHODS, METHODS_OF_APPS
from app.oauth.introspection import TokenIntrospection
from app.oauth.revocation import TokenRevocation
from app.oauth.server import create_server
from tests.core import contents
from tests.oauth.wire import GRANT, ISSUER, ORDERS, OWN, STOCK, Wire, basic, refused

INACTIVE = {"active": False}


def forged(wire: Wire, typ: str | None = "at+jwt", **changed: Any) -> str:
    """Sign a machine token with our own active key, but with other claims (None: without)."""
    claims = contents(wire.core.m2m("robot", "orders:read")) | changed
    claims = {name: value for name, value in claims.items() if value is not None}
    with wire.core.store.connection() as connection:
        return wire.core.actions.signing_keys.sign(connection, claims, typ=typ)  # type: ignore[arg-type]


def published_keys(wire: Wire) -> set[str]:
    """Return the kids of the JWK set."""
    answer: Any = wire.http.get("/.well-known/jwks.json").json
    return {key["kid"] for key in answer["keys"]}


# --- issuing


@pytest.mark.contract("Authlib's JWTs: no `kid` or a random one, RS256")
@pytest.mark.spec("RFC 9068 §2.1")
def test_a_token_names_the_published_key_that_signed_it(wire: Wire) -> None:
    header = jwt.get_unverified_header(wire.token(wire.robot, scope="orders:read").json["access_token"])
    published = published_keys(wire)
    assert header["alg"] == "ES256" and header["typ"] == "at+jwt"
    assert header["kid"] in published and len(published) == 2


@pytest.mark.contract("`aud` is the client, ten days, `exp` is not `expires_in`")
@pytest.mark.spec("RFC 9068 §2.2")
def test_audience_and_lifetime_are_the_resources_not_the_librarys(wire: Wire) -> None:
    answer = wire.token(wire.robot, resource=STOCK).json
    claims = contents(answer["access_token"])
    assert claims["aud"] != "robot"
    assert claims["exp"] - claims["iat"] == answer["expires_in"] == 600


@pytest.mark.contract("an omitted scope is empty, an unknown one dropped")
@pytest.mark.spec("RFC 6749 §3.3")
def test_an_omitted_scope_is_all_and_an_unknown_one_is_refused_by_name(wire: Wire) -> None:
    assert wire.token(wire.robot, resource=ORDERS).json["scope"] == "orders:list orders:read orders:write"
    assert "nonsense" in refused(wire.token(wire.robot, scope="orders:read nonsense"), 400, "invalid_scope")


# --- introspection and revocation


@pytest.mark.contract("500 on a missing claim")
@pytest.mark.spec("RFC 7662 §2.2")
@pytest.mark.parametrize("claim", ["sub", "client_id", "exp", "iat", "aud", "jti", "iss", "credential_type"])
def test_a_signed_token_without_a_claim_is_inactive(wire: Wire, claim: str) -> None:
    token = forged(wire, **{claim: None})
    assert wire.introspect(token) == INACTIVE
    assert wire.revoke(token, wire.robot).status_code == 200


@pytest.mark.contract("401 on a wrong `typ`; a JWT without `typ` is accepted")
@pytest.mark.spec("RFC 9068 §4")
@pytest.mark.parametrize("typ", ["JWT", None, "token-introspection+jwt", "application/at+jwt x"])
def test_a_signed_token_of_another_type_is_inactive(wire: Wire, typ: str | None) -> None:
    assert wire.introspect(forged(wire)) != INACTIVE
    assert wire.introspect(forged(wire, typ)) == INACTIVE
    refused(wire.post("introspect", {"token": "x"}, forged(wire, typ, aud=OWN)), 401, "invalid_token")


@pytest.mark.contract("every JWT is refused at revocation")
@pytest.mark.spec("RFC 7009 §2")
def test_a_jwt_can_be_revoked_and_is_then_inactive(wire: Wire) -> None:
    token = wire.core.m2m("robot", "orders:read")
    assert wire.introspect(token)["active"]
    assert wire.revoke(token, wire.robot).data == b""
    assert wire.introspect(token) == INACTIVE


@pytest.mark.contract("an unknown `token_type_hint` is an error")
@pytest.mark.spec("RFC 7662 §2.1", "RFC 7009 §2.1")
@pytest.mark.parametrize("hint", ["nonsense", "refresh_token", "ä", "x" * 5000])
def test_an_unknown_hint_is_not_an_error(wire: Wire, hint: str) -> None:
    token = wire.core.pat("alice", "orders:read", name=f"hinted {hint[:3]}")[1]
    assert wire.introspect(token, token_type_hint=hint)["active"]
    assert wire.revoke(token, token_type_hint=hint).status_code == 200
    assert wire.introspect(token, token_type_hint=hint) == INACTIVE


@pytest.mark.contract("`token` twice passes")
@pytest.mark.spec("RFC 7662 §2.1", "RFC 7009 §2.1")
def test_a_token_given_twice_is_refused(wire: Wire) -> None:
    for endpoint in ("introspect", "revoke"):
        refused(wire.post(endpoint, {"token": ["a", "b"]}, wire.robot), 400, "invalid_request")


@pytest.mark.contract("every endpoint declines: `None`, a 500")
def test_an_unrecognized_token_is_answered(wire: Wire) -> None:
    assert wire.introspect("nobody's") == INACTIVE
    assert wire.revoke("nobody's").status_code == 200


@pytest.mark.contract("an unregistered authentication method is a 500")
def test_every_named_authentication_method_is_registered(wire: Wire) -> None:
    server: Any = create_server(wire.http.application, wire.core.actions)
    assert set(METHODS_OF_APPS) <= set(server._client_auth._methods)
    for endpoint in (TokenIntrospection, TokenRevocation):
        assert set(METHODS) <= set(endpoint.CLIENT_AUTH_METHODS) <= set(METHODS_OF_APPS)


@pytest.mark.contract("failure without Basic in the list is 400; a `Bearer` challenge")
@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("endpoint", ["token", "introspect"])
def test_a_failure_is_401_and_never_a_bearer_challenge(wire: Wire, endpoint: str) -> None:
    form = {"grant_type": "client_credentials", "token": "x"}
    for more in ({}, {"client_id": "robot"}, {"client_id": "robot", "client_secret": "wrong"}):
        response = wire.post(endpoint, form | more)
        refused(response, 401, "invalid_client")
        assert "WWW-Authenticate" not in response.headers


# --- requests


@pytest.mark.contract("grant parameters from the URL, repeated ones")
@pytest.mark.spec("RFC 6749 §3.2")
def test_grant_parameters_in_the_url_are_refused(wire: Wire) -> None:
    for query in ("grant_type=client_credentials", "scope=orders:read", "client_secret=x", "token=x"):
        response = wire.http.post(
            f"/oauth/token?{query}", data={"grant_type": "client_credentials"}, headers={"Authorization": basic("x")}
        )
        refused(response, 400, "invalid_request")


@pytest.mark.contract("grant parameters from the URL, repeated ones")
@pytest.mark.spec("RFC 6749 §3.2")
@pytest.mark.parametrize("values", [["orders:read", "orders:read"], ["orders:read", ""], ["", ""]])
def test_a_repeated_parameter_is_refused_even_when_one_is_empty(wire: Wire, values: list[str]) -> None:
    refused(wire.token(wire.robot, scope=values), 400, "invalid_request")


@pytest.mark.contract("Basic that is not UTF-8, a secret that is not ASCII")
@pytest.mark.spec("RFC 6749 §2.3.1")
@pytest.mark.parametrize("pair", [(b"\xff\xfe", b"\xff"), (b"robot", b"\xff"), ("robot", "ü"), ("robot", "%FF")])
def test_invalid_utf8_or_ascii_fails_like_any_wrong_secret(wire: Wire, pair: tuple[Any, Any]) -> None:
    response = wire.post("token", {"grant_type": "client_credentials"}, headers={"Authorization": basic(*pair)})
    refused(response, 401, "invalid_client")
    refused(wire.token(client_id="robot", client_secret="ü€"), 401, "invalid_client")


@pytest.mark.contract("plain http off loopback raises; `AUTHLIB_INSECURE_TRANSPORT`")
def test_plain_http_off_loopback_is_the_settings_business(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTHLIB_INSECURE_TRANSPORT", raising=False)
    response = wire.post("token", {"grant_type": "client_credentials", "scope": "orders:read"}, wire.robot,
                         base_url="http://inside.example:8080")  # fmt: skip
    assert response.status_code == 200


@pytest.mark.contract("unknown client and wrong secret differ")
@pytest.mark.spec("RFC 6749 §5.2")
def test_unknown_client_wrong_secret_disabled_and_wrong_method_answer_alike(wire: Wire) -> None:
    wire.core.client("sleeper")
    secret = wire.core.client_secret("sleeper")
    wire.core.enable("sleeper", False)
    pairs = [("nobody", "x"), ("robot", "x"), ("sleeper", secret), ("keyed", "x"), ("", ""), ("x" * 5000, "y" * 5000)]
    by_basic = [wire.token(pair) for pair in pairs]
    by_post = [wire.token(client_id=name or "-", client_secret=secret or "-") for name, secret in pairs]
    for answers in (by_basic, by_post):
        assert len({(r.status_code, r.text, r.headers.get("WWW-Authenticate")) for r in answers}) == 1
        refused(answers[0], 401, "invalid_client")
    assert by_basic[0].headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.contract('a description with `"`, `\\`, non-ASCII raises')
@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("text", ['"quoted"', "back\\slash", "ünïcode", "\x00", "line\r\nbreak: x", "'<script>"])
def test_no_input_breaks_the_description_of_an_error(wire: Wire, text: str) -> None:
    pat = wire.core.pat("alice", "orders:read", name=f"described {text!a}")[1]
    for response in (
        wire.token(wire.robot, scope=text),
        wire.token(wire.robot, resource=text),
        wire.token(wire.robot, grant_type=text),
        wire.exchange(pat, scope=text),
        wire.exchange(pat, resource=text),
        wire.exchange(pat, subject_token_type=text),
        wire.exchange(pat, requested_token_type=text),
        wire.post("introspect", {"token": "x", "client_ip": text}, wire.shop),
    ):
        refused(response, 400, response.json["error"])


@pytest.mark.contract("Authlib's logger prints whole tokens at DEBUG")
def test_no_log_holds_a_secret_even_at_debug(
    wire: Wire, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    pat = wire.core.pat("alice", "orders:read", name="logged")[1]
    assertion = wire.assertion()
    m2m = wire.token(wire.robot, scope="orders:read").json["access_token"]
    jwt_of_pat = wire.exchange(pat).json["access_token"]
    wire.token(**assertion)
    for token in (pat, m2m, jwt_of_pat, "lk_pat_" + "x" * 38):
        wire.introspect(token)
        wire.ask({"access_token": token}, Authorization=f"Bearer {token}")
        wire.revoke(token, wire.robot)
    wire.token(("robot", pat))
    told = caplog.text + "".join(capfd.readouterr())
    for secret in (pat, m2m, jwt_of_pat, wire.robot[1], assertion["client_assertion"], basic(*wire.robot)[6:]):
        assert secret not in told
    assert logging.getLogger("authlib").level == logging.INFO


# --- private_key_jwt


@pytest.mark.contract("`private_key_jwt`: an `exp` a year ahead, no `iat`")
@pytest.mark.spec("RFC 7523 §3")
def test_an_exp_a_year_ahead_is_refused(wire: Wire) -> None:
    now = int(wire.core.clock().timestamp())
    refused(wire.token(**wire.assertion(exp=now + 365 * 86_400)), 401, "invalid_client")
    assert wire.token(**wire.assertion(exp=now + 3600)).status_code == 200


@pytest.mark.contract("`private_key_jwt`: an `exp` a year ahead, no `iat`")
@pytest.mark.spec("RFC 7523 §3")
def test_iat_is_optional_but_never_ahead(wire: Wire) -> None:
    now = int(wire.core.clock().timestamp())
    assert wire.token(**wire.assertion()).status_code == 200
    assert wire.token(**wire.assertion(iat=now, nbf=now)).status_code == 200
    for name in ("iat", "nbf"):
        refused(wire.token(**wire.assertion(**{name: now + 60})), 401, "invalid_client")


@pytest.mark.asvs("9.1.2")
@pytest.mark.contract("HS256 among its algorithms")
@pytest.mark.spec("RFC 8725 §3.1")
def test_hs256_with_what_everybody_knows_is_refused(wire: Wire) -> None:
    for secret in ("x" * 64, wire.robot[1] + "x" * 32):
        signed = jwt.encode(wire.claims(), secret, "HS256", {"kid": "k1"})
        form = wire.assertion() | {"client_assertion": signed}
        refused(wire.token(**form), 401, "invalid_client")


@pytest.mark.asvs("2.3.4")
@pytest.mark.contract("an assertion's `jti`: single use", "`jti` by get and then set")
@pytest.mark.spec("RFC 7523 §3")
def test_of_ten_at_once_with_one_jti_one_gets_in(wire: Wire) -> None:
    form, statuses, start = wire.assertion(), [], threading.Barrier(10)

    def present() -> None:
        http = wire.http.application.test_client()
        start.wait(10)
        statuses.append(http.post("/oauth/token", data=GRANT | {"resource": ORDERS} | form).status_code)

    threads = [threading.Thread(target=present) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(statuses) == [200] + [401] * 9


# --- what guards, and what is published


@pytest.mark.contract("a second `bearer` validator is ignored, a 403 without a challenge")
@pytest.mark.spec("RFC 6750 §3.1", "RFC 7662 §2.3")
def test_one_endpoint_accepts_each_kind_of_bearer_and_its_403_is_a_challenge(wire: Wire) -> None:
    wire.core.role("introspecting person", "user", "introspect")
    wire.core.user("ann", "introspecting person")
    pat = wire.core.pat("ann", "introspect")[1]
    for bearer in (pat, wire.core.exchange(pat), wire.bearer):
        assert wire.introspect("x", bearer) == INACTIVE
    wire.core.role("other", "user", "audit:read")
    wire.core.user("bob", "other")
    response = wire.post("introspect", {"token": "x"}, wire.core.pat("bob", "audit:read")[1])
    refused(response, 403, "insufficient_scope")
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert 'scope="introspect"' in response.headers["WWW-Authenticate"]


@pytest.mark.contract("`validate()` of the metadata: empty `response_types_supported`, foreign URLs")
@pytest.mark.spec("RFC 8414 §2")
def test_the_metadata_is_valid_and_every_url_is_the_issuers(wire: Wire) -> None:
    told: Any = wire.http.get("/.well-known/oauth-authorization-server").json
    AuthorizationServerMetadata(told).validate()
    urls = [value for value in told.values() if isinstance(value, str)]
    assert len(urls) >= 6 and all(url.startswith(ISSUER) for url in urls)


@pytest.mark.contract("`PyJWKClient` refetches an unknown `kid` after 30 s only")
@pytest.mark.spec("RFC 7517 §5")
def test_a_key_is_published_before_it_signs(wire: Wire) -> None:
    before = published_keys(wire)
    old = wire.core.m2m("robot", "orders:read")
    with wire.core.store.transaction() as session:
        wire.core.actions.signing_keys.rotate(session, wire.core.clock())
    new = wire.core.m2m("robot", "orders:read")
    assert jwt.get_unverified_header(new)["kid"] in before
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    after = published_keys(wire)
    assert before < after
    assert wire.introspect(old)["active"] and wire.introspect(new)["active"]


@pytest.mark.contract("Authlib's mixins keep secrets in clear")
def test_no_table_is_authlibs(wire: Wire) -> None:
    for mapper in Base.registry.mappers:
        assert not issubclass(mapper.class_, OAuth2ClientMixin | OAuth2TokenMixin)


@pytest.mark.contract("flask-smorest rewrites error bodies, drops `WWW-Authenticate` and `Allow`")
def test_the_management_api_leaves_our_errors_alone(wire: Wire) -> None:
    response = wire.http.get("/oauth/token")
    refused(response, 405, "invalid_request")
    assert "POST" in response.headers["Allow"]
    refused(wire.http.get("/oauth/nowhere"), 404, "invalid_request")
