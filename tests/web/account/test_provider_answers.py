"""What an identity provider's answer must be: OpenID Connect Core 1.0 §3.1.3.7, RFC 9207, RFC 9700 §4."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from app.actions.trust.fetch_json import LARGEST_RESPONSE
from app.models import IdentityLink, SpentChallenge, User
from tests.fake_provider import CLIENT, HUGE, FakeProvider, make_key
from tests.web.account.provider_scene import ID, Scene, staged
from tests.web.visitor import Visitor

Tamper = Callable[[FakeProvider, dict[str, Any]], str]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with staged(tmp_path_factory.mktemp("answers"), "Other") as made:
        yield made


@pytest.fixture
def _restored(scene: Scene) -> Iterator[None]:
    """Undo what a test changes of the provider."""
    provider = scene.provider
    yield
    provider.answers.clear()
    provider.hangs.clear()
    provider.metadata.clear()
    provider.tokens.clear()
    provider.userinfo = None
    scene.seconds += 400.0


def refused(scene: Scene, who: Visitor, path: str, status: int = 403) -> str:
    """Come back with an answer that must sign nobody in; return what the page says."""
    users, links, spent = scene.count(User), scene.count(IdentityLink), scene.face.core.count(SpentChallenge)
    response = who.http.get(path)
    assert response.status_code == status, response.text
    assert who.http.get("/account").status_code == 303
    assert (users, links, spent) == (
        scene.count(User),
        scene.count(IdentityLink),
        scene.face.core.count(SpentChallenge),
    )
    return " ".join(response.text.split('role="alert"')[1].split("</p>")[0].split())


@pytest.mark.asvs("10.2.1", "10.2.3")
@pytest.mark.contract("PKCE, nonce, `iss` and `state` are checked")
def test_the_request_asks_for_a_code_with_pkce_a_nonce_and_a_state(scene: Scene) -> None:
    asked = [parse_qs(urlsplit(scene.begin(scene.visitor())).query) for _ in range(2)]
    first = {name: values[0] for name, values in asked[0].items()}
    assert first["response_type"] == "code" and first["client_id"] == CLIENT
    assert first["scope"] == "openid profile email"
    assert first["redirect_uri"] == f"https://login.example/login/callback/{ID}"
    assert first["code_challenge_method"] == "S256" and len(first["code_challenge"]) == 43  # RFC 7636 §4.2
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 32 and asked[0][name] != asked[1][name]


def test_the_code_is_redeemed_with_the_secret_and_the_verifier(scene: Scene) -> None:
    scene.admit("redeems", preferred_username="redeems")
    _, headers, form = next(one for one in reversed(scene.provider.asked) if one[0] == "/token")
    assert form["grant_type"] == "authorization_code" and form["redirect_uri"].endswith(f"/login/callback/{ID}")
    assert len(form["code_verifier"]) >= 43 and "client_secret" not in form
    assert headers["Authorization"].startswith("Basic ")


def _with(**changed: Any) -> Tamper:
    return lambda provider, claims: provider.sign(
        {name: value for name, value in (claims | changed).items() if value is not None}
    )


def _at(name: str, seconds: int) -> Tamper:
    return lambda provider, claims: provider.sign(claims | {name: provider.now() + seconds})


def _by(**header: Any) -> Tamper:
    return lambda provider, claims: provider.sign(claims, **header)


def _unsigned(provider: FakeProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", "none")


def _by_client_secret(provider: FakeProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "a secret: with % and + and more of it", "HS256", {"kid": provider.kid})


def _by_public_key(provider: FakeProvider, claims: dict[str, Any]) -> str:
    """Sign with the published key as a shared secret (RFC 8725 §2.1)."""
    octets = str(provider.published[0]["x"]).encode()
    return jwt.encode(claims, octets, "HS256", {"kid": provider.kid})


def _by_another_key(provider: FakeProvider, claims: dict[str, Any]) -> str:
    return provider.sign(claims, key=make_key("another")[0])


def _with_its_own_key(provider: FakeProvider, claims: dict[str, Any]) -> str:
    key, public = make_key("own")
    return provider.sign(claims, key=key, jwk=public)


def _cut(provider: FakeProvider, claims: dict[str, Any]) -> str:
    return provider.sign(claims)[:-8]


WRONG: dict[str, Tamper] = {
    "another issuer": _with(iss="https://evil.example"),
    "the issuer with a slash": lambda provider, claims: provider.sign(claims | {"iss": f"{provider.issuer}/"}),
    "no issuer": _with(iss=None),
    "another audience": _with(aud="another client"),
    "no audience": _with(aud=None),
    "an audience that is a number": _with(aud=7),
    "several audiences without azp": _with(aud=[CLIENT, "another client"]),
    "another authorized party": _with(azp="another client"),
    "another authorized party among several": _with(aud=[CLIENT, "another client"], azp="another client"),
    "another nonce": _with(nonce="another"),
    "no nonce": _with(nonce=None),
    "a nonce that is a list": _with(nonce=["a"]),
    "no subject": _with(sub=None),
    "an empty subject": _with(sub=""),
    "a long subject": _with(sub="s" * 256),
    "a subject that cannot be stored": _with(sub="a\0b"),
    "no expiry": _with(exp=None),
    "expired": _at("exp", -61),
    "an expiry that is text": _with(exp="tomorrow"),
    "no time of issue": _with(iat=None),
    "issued in the future": _at("iat", 62),
    "valid in the future": _at("nbf", 62),
    "an at_hash of another token": _with(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "an at_hash that is a number": _with(at_hash=7),
    "methods that are a text": _with(amr="mfa"),
    "not signed": _unsigned,
    "signed with the client secret": _by_client_secret,
    "signed with the public key as a secret": _by_public_key,
    "signed with another key": _by_another_key,
    "signed with the key in its header": _with_its_own_key,
    "an unknown key": _by(kid="unknown"),
    "an extension that must be understood": _by(crit=["x"], x=1),
    "an access token": _by(typ="at+jwt"),
    "a logout token": _by(typ="logout+jwt"),
    "cut short": _cut,
    "no token": lambda provider, claims: "x",
    "too long": lambda provider, claims: "e" * 60_000,
}


@pytest.mark.asvs("6.8.2", "10.5.1", "10.5.4")
@pytest.mark.parametrize("tamper", WRONG.values(), ids=WRONG)
def test_a_wrong_id_token_signs_nobody_in(scene: Scene, tamper: Tamper) -> None:
    who, provider = scene.visitor(), scene.provider
    url = scene.begin(who)
    nonce = parse_qs(urlsplit(url).query)["nonce"][0]
    claims = provider.claims("wrong", nonce=nonce, preferred_username="wrong")
    token = tamper(provider, claims)
    assert "cannot be accepted" in refused(scene, who, provider.consent(url, "wrong", token))


@pytest.mark.parametrize(
    "right",
    [
        _with(aud=[CLIENT, "another client"], azp=CLIENT),
        _with(aud=[CLIENT]),
        _at("exp", -58),
        _at("iat", 58),
        _at("nbf", 58),
        _by(typ="jwt"),
        lambda provider, claims: provider.sign(claims | {"at_hash": at_hash("an access token")}),
        lambda provider, claims: jwt.encode(claims, provider.key, provider.algorithm),
    ],
    ids=["several audiences", "a list", "slow clock", "fast clock", "not before", "typ", "at_hash", "no kid"],
)
def test_a_token_that_fits_and_clocks_that_differ_by_a_minute_are_accepted(scene: Scene, right: Tamper) -> None:
    who, provider = scene.visitor(), scene.provider
    url = scene.begin(who)
    nonce = parse_qs(urlsplit(url).query)["nonce"][0]
    claims = provider.claims("right", nonce=nonce, preferred_username="right")
    assert who.http.get(provider.consent(url, "right", right(provider, claims))).status_code == 303


def at_hash(token: str) -> str:
    """Return the half of the digest (OpenID Connect Core §3.1.3.6)."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).decode().rstrip("=")


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256"])
def test_each_algorithm_of_a_provider_is_verified(scene: Scene, algorithm: str) -> None:
    scene.provider.rotate(f"of {algorithm}", algorithm)
    scene.refetch()
    scene.admit(algorithm, preferred_username=f"by-{algorithm}")


def test_a_rotated_key_is_fetched_once_and_not_for_each_unknown_key(scene: Scene) -> None:
    provider = scene.provider
    scene.refetch()
    scene.admit("rotates", preferred_username="rotates")
    provider.rotate("rotated")
    scene.refetch()
    before = [path for path, *_ in provider.asked].count("/jwks")
    scene.admit("rotates")
    assert [path for path, *_ in provider.asked].count("/jwks") == before + 1
    for _ in range(3):
        who = scene.visitor()
        url = scene.begin(who)
        nonce = parse_qs(urlsplit(url).query)["nonce"][0]
        token = provider.sign(provider.claims("rotates", nonce=nonce), kid="unknown")
        refused(scene, who, provider.consent(url, "rotates", token))
    assert [path for path, *_ in provider.asked].count("/jwks") == before + 1


def test_a_key_that_was_rotated_a_moment_ago_signs_in(scene: Scene) -> None:
    scene.seconds += 400.0
    scene.admit("rotates", preferred_username="rotates")
    scene.provider.rotate("rotated a moment ago")
    scene.admit("rotates")


@pytest.mark.asvs("10.1.2", "10.2.1")
def test_an_answer_is_accepted_once_and_in_the_browser_that_asked(scene: Scene) -> None:
    victim, attacker = scene.visitor(), scene.visitor()
    scene.begin(victim)
    of_attacker = scene.provider.consent(scene.begin(attacker), "attacker", preferred_username="attacker")
    kept = attacker.http.get_cookie("__Host-latchkey")
    assert kept is not None
    assert "not begun in this browser" in refused(scene, victim, of_attacker)  # login CSRF (RFC 9700 §4.7)
    assert "not begun in this browser" in refused(scene, scene.visitor(), of_attacker)
    assert attacker.http.get(of_attacker).status_code == 303
    assert attacker.http.get(of_attacker).status_code == 403  # nothing is begun any more
    again = scene.visitor()
    again.http.set_cookie("__Host-latchkey", kept.value)
    code = scene.provider.consent(scene.begin(scene.visitor()), "attacker")
    replayed = f"{of_attacker.split('?')[0]}?{urlencode(dict(_query(of_attacker), code=_query(code)['code']))}"
    refused(scene, again, replayed)  # the kept cookie, with another code: its verifier and nonce do not fit


def test_a_state_that_signed_somebody_in_does_so_no_second_time(scene: Scene) -> None:
    who = scene.visitor()
    url = scene.begin(who)
    kept = who.http.get_cookie("__Host-latchkey")
    assert kept is not None
    assert who.http.get(scene.provider.consent(url, "twice", preferred_username="twice")).status_code == 303
    again = scene.visitor()
    again.http.set_cookie("__Host-latchkey", kept.value)  # even with a new code, verifier and nonce that fit
    assert "not begun" in refused(scene, again, scene.provider.consent(url, "twice"))


def test_a_sign_in_that_took_too_long_is_refused(scene: Scene) -> None:
    who = scene.visitor()
    path = scene.provider.consent(scene.begin(who), "late", preferred_username="late")
    scene.face.core.clock.advance(minutes=10, seconds=2)
    assert "begin again" in refused(scene, who, path)


@pytest.mark.contract("PKCE, nonce, `iss` and `state` are checked")
@pytest.mark.asvs("10.2.2")
def test_two_providers_are_not_mixed_up(scene: Scene) -> None:
    other, who = scene.others["other"], scene.visitor()
    path = scene.provider.consent(scene.begin(who), "mixed", preferred_username="mixed")
    assert "not begun" in refused(scene, who, path.replace(f"/callback/{ID}", "/callback/other"))
    who = scene.visitor()
    path = scene.provider.consent(scene.begin(who), "mixed", preferred_username="mixed")
    changed = dict(_query(path), iss=other.issuer)  # RFC 9207 §2.4
    refused(scene, who, f"{path.split('?')[0]}?{urlencode(changed)}")
    who = scene.visitor()
    url = scene.begin(who)
    nonce = parse_qs(urlsplit(url).query)["nonce"][0]
    of_other = other.sign(other.claims("mixed", nonce=nonce))
    refused(scene, who, scene.provider.consent(url, "mixed", of_other))


@pytest.mark.usefixtures("_restored")
def test_an_announced_iss_parameter_must_be_there(scene: Scene) -> None:
    scene.provider.metadata["authorization_response_iss_parameter_supported"] = True
    scene.seconds += 400.0
    who = scene.visitor()
    path = scene.provider.consent(scene.begin(who), "announced", preferred_username="announced")
    without = {name: value for name, value in _query(path).items() if name != "iss"}
    refused(scene, who, f"{path.split('?')[0]}?{urlencode(without)}")
    scene.admit("announced", preferred_username="announced")


def _query(path: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


@pytest.mark.parametrize(
    "query",
    ["error=access_denied", "error=x&code=y", "code=", "code=" + "c" * 5000, "", "code=a&code=b", "code=%00%ff"],
)
def test_an_answer_without_a_code_is_refused(scene: Scene, query: str) -> None:
    who = scene.visitor()
    state = _query(scene.begin(who))["state"]
    said = refused(scene, who, f"/login/callback/{ID}?state={state}&{query}")
    assert "begin again" in said and "access_denied" not in said


@pytest.mark.parametrize("query", ["state=%00", "state=" + "s" * 9000, "state=a&state=b", "state=é", ""])
def test_an_odd_state_is_refused(scene: Scene, query: str) -> None:
    who = scene.visitor()
    scene.begin(who)
    assert "not begun" in refused(scene, who, f"/login/callback/{ID}?code=c&{query}")


@pytest.mark.parametrize("path", ["/login/with/nobody", "/login/callback/nobody?state=a&code=b"])
def test_an_unknown_provider_is_not_found(scene: Scene, path: str) -> None:
    assert scene.visitor().http.get(path).status_code == 404


BROKEN: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "an error": (500, b"{}", {}),
    "not JSON": (200, b"<html>", {}),
    "a list": (200, b"[]", {}),
    "a huge answer": (200, HUGE, {}),
    "a redirect": (302, b"{}", {"Location": "http://127.0.0.1:1/"}),
    "deeply nested": (200, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, {}),
    "no token": (200, b'{"access_token": "a", "token_type": "Bearer"}', {}),
    "a token that is a number": (200, b'{"access_token": 7, "id_token": 7, "expires_in": "soon"}', {}),
    "an error that is an object": (400, b'{"error": {"a": "\\u0000"}}', {}),
}


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("path", ["/token", "/jwks", "/.well-known/openid-configuration"])
def test_a_provider_that_answers_nonsense_is_refused_with_a_page(
    scene: Scene, path: str, answer: tuple[int, bytes, dict[str, str]]
) -> None:
    assert len(HUGE) > LARGEST_RESPONSE
    who, provider = scene.visitor(), scene.provider
    back = provider.consent(scene.begin(who), "nonsense", preferred_username="nonsense")
    provider.answers[path] = answer
    scene.seconds += 400.0
    response = who.http.get(back)
    assert response.status_code in (403, 503) and "Not signed in" in response.text
    assert who.http.get("/account").status_code == 303


@pytest.mark.asvs("10.5.3")
@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization_endpoint", "javascript:alert(1)"),
        ("authorization_endpoint", 7),
        ("authorization_endpoint", None),
        ("issuer", "https://evil.example"),
    ],
)
def test_metadata_that_does_not_fit_sends_the_browser_nowhere(scene: Scene, name: str, value: object) -> None:
    scene.provider.metadata[name] = value
    scene.seconds += 400.0
    response = scene.visitor().http.get(f"/login/with/{ID}")
    assert response.status_code == 503 and "Location" not in response.headers
