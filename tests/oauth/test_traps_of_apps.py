"""A test for each trap of Authlib's grants for apps: what it does by itself, and what the server does instead."""

from typing import Any

import pytest
from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import UnsupportedResponseTypeError
from authlib.oauth2.rfc7636.challenge import CODE_CHALLENGE_PATTERN

from app.oauth.authorization_response import append_parameters
from tests.oauth.authorizing import (
    AUTHORIZE,
    CALLBACK,
    CHALLENGE,
    DEVICE_GRANT,
    Person,
    redeem,
    refused,
    register,
    request_of,
    shown_instead,
)
from tests.oauth.wire import Wire
from tests.oauth.wire import refused as refused_token


@pytest.fixture(scope="module")
def apps(wire: Wire) -> Wire:
    register(wire, "app")
    register(wire, "backend", method="client_secret_basic")
    return wire


@pytest.fixture
def alice(apps: Wire) -> Person:
    person = Person(apps)
    person.sign_in()
    return person


@pytest.mark.contract("an unsupported response_type is put into the error unescaped: a ValueError")
def test_a_strange_response_type_is_an_error_of_the_protocol(alice: Person) -> None:
    with pytest.raises(ValueError, match="forbidden characters"):
        UnsupportedResponseTypeError("a description", 'code"')
    assert refused(alice.open(response_type='x"\\é'), "unsupported_response_type") == "response_type must be code"


@pytest.mark.contract("query and form of an authorization request are mixed; five parameters may not be repeated")
def test_an_authorization_request_is_the_query_alone_and_nothing_in_it_is_repeated(alice: Person) -> None:
    shown_instead(alice.http.post(f"{AUTHORIZE}?client_id=app", data=request_of()))
    for name in ("code_challenge", "code_challenge_method", "prompt", "dpop_jkt", "anything"):
        repeated: dict[str, Any] = {name: ["a", "b"]}
        refused(alice.open(**repeated), "invalid_request")


@pytest.mark.contract("parameters are appended by encoding the redirect URI's own query in another way")
@pytest.mark.parametrize(
    "uri", ["https://a.example/cb?x=a%20b", "https://a.example/cb?flag", "https://a.example/cb?x=%7E", "a.b:///cb?y=;"]
)
def test_a_redirect_uri_is_never_rewritten(uri: str) -> None:
    assert not add_params_to_uri(uri, [("code", "c")]).startswith(uri + "&")
    assert append_parameters(uri, [("code", "c")]) == f"{uri}&code=c"


@pytest.mark.contract("an error before the consent has no `iss`, and a 302")
def test_an_early_error_names_the_issuer_and_is_a_303(alice: Person) -> None:
    assert OAuth2Error("x", redirect_uri=CALLBACK)()[0] == 302
    refused(alice.open(response_type="token"), "unsupported_response_type")


@pytest.mark.contract("PKCE: `plain` is the default, confidential clients go without, a line feed passes")
def test_s256_is_required_of_every_client(alice: Person) -> None:
    assert CODE_CHALLENGE_PATTERN.match(CHALLENGE + "\n")
    for client_id in ("app", "backend"):
        for changed in (
            {"code_challenge": None, "code_challenge_method": None},
            {"code_challenge_method": None},
            {"code_challenge_method": "plain"},
            {"code_challenge": CHALLENGE + "\n"},
        ):
            refused(alice.open(client_id, **changed), "invalid_request")
    code, backend = alice.authorize("backend"), ("backend", alice.wire.core.client_secret("backend"))
    refused_token(redeem(alice.wire, code, backend, code_verifier=None), 400, "invalid_request")


@pytest.mark.contract("a redirect URI of the token request alone is not compared")
def test_a_redirect_uri_that_the_authorization_request_left_out_is_compared(alice: Person) -> None:
    code = alice.authorize(redirect_uri=None)
    wrong = redeem(alice.wire, code, client_id="app", redirect_uri="https://mallory.example/")
    refused_token(wrong, 400, "invalid_grant")


@pytest.mark.contract("a device code is read before the client is authenticated; an unknown one is invalid_request")
def test_a_device_code_is_read_after_the_client_is_authenticated(apps: Wire) -> None:
    form: dict[str, Any] = {"grant_type": DEVICE_GRANT}
    refused_token(apps.post("token", form | {"client_id": "nobody"}), 401, "invalid_client")
    refused_token(apps.post("token", form | {"client_id": "app", "device_code": "x"}), 400, "invalid_grant")


@pytest.mark.contract("the state of an error is lost where it is raised before the grant is known")
def test_every_error_has_the_state(alice: Person) -> None:
    for changed in ({"response_type": "token"}, {"prompt": "none login"}, {"scope": "nonsense"}, {"request": "x"}):
        answer = alice.open(**changed)
        assert "state=untouched" in answer.headers["Location"], changed
