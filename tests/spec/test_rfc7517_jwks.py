"""RFC 7517: the published keys."""

import pytest

from tests.api import Admin, expect

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.mark.contract("JWKS: public, `kid`, `use`, `alg`, cacheable")
@pytest.mark.spec("RFC 7517 §5")
def test_the_set_holds_public_signing_keys_each_with_a_kid_of_its_own(admin: Admin) -> None:
    response = expect(200, admin.http.get("/.well-known/jwks.json"))
    assert response.headers["Content-Type"].split(";")[0] in ("application/json", "application/jwk-set+json")
    keys = response.json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys) >= 2  # the one that signs and the one that comes next
    for key in keys:
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")
        assert key["x"] and key["y"]


@pytest.mark.contract("JWKS: public, `kid`, `use`, `alg`, cacheable")
@pytest.mark.spec("RFC 7517 §9.2")
def test_no_private_member_is_published(admin: Admin) -> None:
    for key in admin.http.get("/.well-known/jwks.json").json()["keys"]:
        assert not PRIVATE & set(key)


@pytest.mark.contract("JWKS: public, `kid`, `use`, `alg`, cacheable")
@pytest.mark.spec("RFC 7517 §5")
def test_the_set_may_be_cached(admin: Admin) -> None:
    cached = admin.http.get("/.well-known/jwks.json").headers["Cache-Control"]
    assert "max-age=" in cached and "no-store" not in cached
