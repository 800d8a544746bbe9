"""The state machine's second part: credentials are issued, changed, exchanged and revoked, and time passes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.fuzzing.machine import (
    ANY_TYPE,
    EXCHANGE,
    NETWORKS,
    OUR,
    Rights,
    expect,
    flag,
    lifetimes,
    mask,
    number,
    pick_one,
    pick_some,
    rarely,
    same,
)
from tests.fuzzing.things import Client, Jwt, Key, KeySecret, Pat, Token, epoch_seconds, is_over
from tests.fuzzing.wire import Answer, basic, contents
from tests.fuzzing.world import Grant

LIMITS = [(1, 1), (3, 60), (40, 60), (1_000, 3600)]
OFFSETS = [timedelta(microseconds=-1), timedelta(0), timedelta(microseconds=1), timedelta(seconds=-1)]


class Credentials(Rights):
    """Rules that issue, change, exchange and revoke credentials."""

    def of(self, type: type[Any]) -> list[Any]:
        """List the credentials of a kind, each once, that at least one token belongs to."""
        return list(dict.fromkeys(token.of for token in self.world.tokens if isinstance(token.of, type)))

    def first_credentials(self) -> None:
        """Issue a credential of each kind, and exchange some of them."""
        self.make_pat(0, 3, None)
        self.make_key(0, None, None, ())
        for which in (0, 1):
            self.exchange(which, 0, 0, 0, True, False)
        self.make_pat(0, 127, 3600)
        self.make_machine_token(0, 1, 0, False)

    def wanted(self, given: frozenset[tuple[str, str]], chosen: int, wild: bool) -> frozenset[str]:
        """Choose the scopes of a request: from the granted scopes, or, if `wild`, from all that exist."""
        everything = [p.name for p in self.world.giveable]
        return frozenset(pick_some(everything if wild else sorted({name for _, name in given}), chosen))

    # --- personal access tokens

    @rule(which=number, chosen=mask, lifetime=st.none() | lifetimes)
    @precondition(lambda self: bool(self.world.users))
    def make_pat(self, which: int, chosen: int, lifetime: int | None) -> None:
        """Create a token with some of the scopes of a user's roles; it expires after `lifetime` seconds or never."""
        user, name = pick_one(self.world.users, which), self.name("pat")
        given = list(dict.fromkeys(p for role in user.roles for p in role.permissions))
        scopes = pick_some(given, chosen) or given[:1]
        ends: dict[str, Any] = {"expires_at": None} if lifetime is None else {"expires_in": lifetime}
        body = {"name": name, "scopes": [p.name for p in scopes], **ends}
        made = self.api(201 if scopes else 422, "POST", f"/users/{user.row}/personal-access-tokens", body)
        if scopes:
            expires_at = None if lifetime is None else self.world.now + timedelta(seconds=lifetime)
            pairs = [(p, p.resource) for p in scopes]
            pat = Pat(made["id"], name, user, pairs, self.world.now, expires_at, [made["token"]])
            self.holds(pat, made["token"])

    @rule(which=number)
    @precondition(lambda self: bool(self.of(Pat)))
    def regenerate(self, which: int) -> None:
        """Regenerate a token as its user."""
        pat: Pat = pick_one(self.of(Pat), which)
        user = pat.user
        status = 401 if user.deleted or not user.enabled else 409 if pat.revoked else 200
        path = f"/me/personal-access-tokens/{pat.row}/regenerate"
        made = self.api(status, "POST", path, authorization=basic(user.username, user.password))
        if status == 200:
            if pat.expires_at is not None:
                pat.expires_at = self.world.now + (pat.expires_at - pat.issued_at)
            pat.issued_at = self.world.now
            pat.secrets.append(made["token"])
            self.holds(pat, made["token"], len(pat.secrets) - 1)

    @rule(which=number)
    @precondition(lambda self: bool(self.of(Pat)))
    def drop_pat(self, which: int) -> None:
        """Revoke a token as an operator."""
        pat: Pat = pick_one(self.of(Pat), which)
        status = 404 if pat.user.deleted else 204
        self.api(status, "DELETE", f"/users/{pat.user.row}/personal-access-tokens/{pat.row}")
        pat.revoked = True

    # --- API keys

    @rule(which=number, chosen=st.none() | mask, lifetime=st.none() | lifetimes, networks=st.sampled_from(NETWORKS))
    @precondition(lambda self: bool(self.world.resources))
    def make_key(self, which: int, chosen: int | None, lifetime: int | None, networks: tuple[str, ...]) -> None:
        """Issue a key with all public permissions of a resource, or with some of them."""
        resource = pick_one(self.world.resources, which)
        subset = None if chosen is None else pick_some([p for p in resource.permissions if p.public], chosen)
        expires_at = None if lifetime is None else self.world.now + timedelta(seconds=lifetime)
        body = {
            "name": self.name("key"),
            "resource": resource.identifier,
            "scopes": None if subset is None else [p.name for p in subset],
            "expires_at": expires_at and expires_at.isoformat(),
            "allowed_ips": list(networks),
        }
        made = self.api(201, "POST", "/api-keys", body)
        secret = KeySecret(made["key"], self.world.now)
        self.holds(Key(made["id"], resource, subset, [secret], expires_at, networks), made["key"])

    @rule(which=number, enabled=flag, lifetime=st.none() | lifetimes, networks=st.sampled_from(NETWORKS))
    @precondition(lambda self: bool(self.of(Key)))
    def change_key(self, which: int, enabled: bool, lifetime: int | None, networks: tuple[str, ...]) -> None:
        """Disable or enable a key, and set its expiry and its networks."""
        key: Key = pick_one(self.of(Key), which)
        expires_at = None if lifetime is None else self.world.now + timedelta(seconds=lifetime)
        ends = expires_at and expires_at.isoformat()
        body = {"enabled": enabled, "expires_at": ends, "allowed_ips": list(networks)}
        self.api(409 if key.revoked else 200, "PATCH", f"/api-keys/{key.row}", body)
        if not key.revoked:
            key.enabled, key.expires_at, key.networks = enabled, expires_at, networks

    @rule(which=number, chosen=st.none() | mask)
    @precondition(lambda self: any(not key.revoked for key in self.of(Key)))
    def narrow_key(self, which: int, chosen: int | None) -> None:
        """Change the scopes of a key."""
        key: Key = pick_one([key for key in self.of(Key) if not key.revoked], which)
        subset = None if chosen is None else pick_some([p for p in key.resource.permissions if p.public], chosen)
        scopes = None if subset is None else [p.name for p in subset]
        self.api(200, "PATCH", f"/api-keys/{key.row}", {"scopes": scopes})
        key.subset = subset

    @rule(which=number, limit=st.none() | st.sampled_from(LIMITS))
    @precondition(lambda self: any(not key.revoked for key in self.of(Key)))
    def limit_key(self, which: int, limit: tuple[int, int] | None) -> None:
        """Set or remove the rate limit of a key; a limit that it had before continues with the uses counted then."""
        key: Key = pick_one([key for key in self.of(Key) if not key.revoked], which)
        body = limit and {"requests": limit[0], "window_seconds": limit[1]}
        self.api(200, "PATCH", f"/api-keys/{key.row}", {"rate_limit": body})
        key.limit = limit

    @rule(which=number, overlap=st.sampled_from([0, 1, 60, 604_800]))
    @precondition(lambda self: bool(self.of(Key)))
    def rotate_key(self, which: int, overlap: int) -> None:
        """Rotate a key; the old secrets work until the overlap ends."""
        key: Key = pick_one(self.of(Key), which)
        status = 409 if key.revoked or is_over(key.expires_at, self.world.now) else 200
        made = self.api(status, "POST", f"/api-keys/{key.row}/rotate", {"overlap_seconds": overlap})
        if status == 200:
            ends_at = self.world.now + timedelta(seconds=overlap)
            for old in key.secrets:
                old.ends_at = min(old.ends_at or ends_at, ends_at)
            key.secrets.append(KeySecret(made["key"], self.world.now))
            self.holds(key, made["key"], len(key.secrets) - 1)

    @rule(which=number)
    @precondition(lambda self: bool(self.of(Key)))
    def drop_key(self, which: int) -> None:
        """Revoke a key as an operator."""
        key: Key = pick_one(self.of(Key), which)
        self.api(204, "DELETE", f"/api-keys/{key.row}")
        key.revoked = True

    # --- signed tokens

    @rule(which=number, chosen=mask, named=mask, wild=rarely)
    @precondition(lambda self: bool(self.world.clients))
    def make_machine_token(self, which: int, chosen: int, named: int, wild: bool) -> None:
        """Request a token with client credentials, for some scopes and resources."""
        client = pick_one(self.world.clients, which)
        given = {(p.resource.identifier, p.name) for role in client.roles for p in role.permissions}
        names, resources = self.wanted(frozenset(given), chosen, wild), self._choose_resources(named)
        form = [("grant_type", "client_credentials"), *_request_fields(names, resources)]
        answer = self._request_token(form, client)
        if not self._can_authenticate(client):
            expect(401, answer, "a client without a live secret")
            return
        granted = self.world.expected_grant(client, names, resources)
        self._check_signed(answer, granted, client, None, 0)

    @rule(which=number, chosen=mask, named=mask, by=st.none() | number, kind=flag, wild=rarely)
    @precondition(lambda self: bool(self.world.tokens))
    def exchange(self, which: int, chosen: int, named: int, by: int | None, kind: bool, wild: bool) -> None:
        """Exchange a token for a signed one, with or without client authentication."""
        opaque = [token for token in self.world.tokens if not isinstance(token.of, Jwt)]
        token = pick_one(self.world.tokens if wild else opaque or self.world.tokens, which)
        client = pick_one(self.world.clients, by) if by is not None and self.world.clients else None
        claims = token.claims(self.world.now)
        names = self.wanted(claims.scopes if claims else frozenset(), chosen & chosen >> 2, wild)
        resources = self._choose_resources(named)
        our = OUR + ("api_key" if isinstance(token.of, Key) else "personal_access_token")
        subject = [("subject_token", token.text), ("subject_token_type", our if kind else ANY_TYPE)]
        answer = self._request_token([("grant_type", EXCHANGE), *subject, *_request_fields(names, resources)], client)
        if client is not None and not self._can_authenticate(client):
            expect(401, answer, "a client without a live secret")
            return
        granted = self.world.expected_exchange(token, names, resources)
        source = None if isinstance(token.of, Jwt) else token.of
        self._check_signed(answer, granted, client, source, token.secret)

    def _choose_resources(self, named: int) -> tuple[str, ...]:
        """Choose the resources of a request, mostly none."""
        return tuple(r.identifier for r in pick_some([*self.world.resources, self.world.own], named & named >> 3))

    def _request_token(self, form: list[tuple[str, str]], client: Client | None) -> Answer:
        authorization = None if client is None else basic(client.client_id, self._newest_secret(client))
        return self.nodes.wires[self._serial % 2].form("/oauth/token", form, authorization)

    def _newest_secret(self, client: Client) -> str:
        live = [secret for secret in client.secrets if secret.live(self.world.now)]
        return (live or client.secrets)[-1].text

    def _can_authenticate(self, client: Client) -> bool:
        return client.can_authenticate and any(secret.live(self.world.now) for secret in client.secrets)

    def _check_signed(
        self, answer: Answer, granted: Grant | str, client: Client | None, source: Pat | Key | None, secret: int
    ) -> None:
        """Compare the signed token with the expected one, and remember it."""
        if isinstance(granted, str):
            status = 429 if granted == "temporarily_unavailable" else 400
            expect(status, answer, f"a token that should be refused with {granted}")
            same(granted, answer.json["error"], "the refusal")
            return
        expect(200, answer, f"a token of {granted}")
        body = answer.json
        claims = contents(body["access_token"])
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        said = [audience, claims["scope"], body["scope"], claims["iat"], claims["exp"], body["expires_in"]]
        now, scope, ends = (
            epoch_seconds(self.world.now),
            " ".join(sorted(granted.names)),
            epoch_seconds(granted.ends_at),
        )
        same([list(granted.audience), scope, scope, now, ends, ends - now], said, "what was signed")
        issued_at = datetime.fromtimestamp(now, UTC)
        jwt = Jwt(
            claims["jti"], body["access_token"], client, granted.audience, granted.names, issued_at, granted.ends_at
        )
        jwt.source, jwt.secret = source, secret
        self.holds(jwt, jwt.text)

    @rule()
    @precondition(lambda self: self.steps % 4 == 0)
    def rotate_signing_key(self) -> None:
        """Rotate the signing keys; tokens signed before stay valid."""
        self.api(200, "POST", "/signing-keys/rotate")

    # --- revocation

    @rule(which=number, by=st.none() | number)
    @precondition(lambda self: bool(self.world.tokens))
    def revoke(self, which: int, by: int | None) -> None:
        """Revoke a token at the revocation endpoint, with or without client authentication (RFC 7009)."""
        token = pick_one(self.world.tokens, which)
        client = pick_one(self.world.clients, by) if by is not None and self.world.clients else None
        authorization = None if client is None else basic(client.client_id, self._newest_secret(client))
        answer = self.nodes.wires[self._serial % 2].form("/oauth/revoke", [("token", token.text)], authorization)
        if client is not None and not self._can_authenticate(client):
            expect(401, answer, "a revocation by a client that proves nothing")
            return
        status = 200
        if (
            isinstance(token.of, Jwt)
            and token.of.client is not None
            and not is_over(token.of.expires_at, self.world.now)
        ):
            status = 401 if client is None else 400 if client is not token.of.client else 200
        expect(status, answer, "a revocation")
        if status == 200:
            self._end_credential(token)

    @rule(chosen=st.lists(number, min_size=1, max_size=3))
    @precondition(lambda self: bool(self.world.tokens))
    def report_leak(self, chosen: list[int]) -> None:
        """Report tokens as leaked."""
        tokens = [pick_one(self.world.tokens, which) for which in chosen]
        answer = self.nodes.wires[self._serial % 2].ask(
            "POST",
            "/api/v1/credentials/revoke",
            {"Content-Type": "application/json"},
            json.dumps({"credentials": [token.text for token in tokens]}).encode(),
        )
        expect(202, answer, "a report")
        for token in tokens:
            self._end_credential(token)

    def _end_credential(self, token: Token) -> None:
        """Revoke the credential of a token in the model, unless its secret is already invalid."""
        of = token.of
        if isinstance(of, Jwt):
            of.denied = True
        elif isinstance(of, Pat):
            of.revoked = of.revoked or token.secret == len(of.secrets) - 1
        elif not is_over(of.secrets[token.secret].ends_at, self.world.now):
            of.revoked = True

    # --- time

    @rule(seconds=st.sampled_from([0.25, 1, 59, 60, 3599, 3600, 86_400]))
    def wait(self, seconds: float) -> None:
        """Advance the clock."""
        self._arrive(self.world.now + timedelta(seconds=seconds))

    @rule(which=number, offset=st.sampled_from(OFFSETS))
    @precondition(lambda self: any(self.world.moments()))
    def wait_for(self, which: int, offset: timedelta) -> None:
        """Advance the clock to an instant at which something expires, or to just before or after it."""
        moments = list(self.world.moments())[:3]
        self._arrive(max(self.world.now, pick_one(moments, which) + offset))

    def _arrive(self, now: datetime) -> None:
        self.world.now = now
        self.nodes.clock.set(now)


def _request_fields(names: frozenset[str], resources: tuple[str, ...]) -> list[tuple[str, str]]:
    scope = [("scope", " ".join(sorted(names)))] if names else []
    return scope + [("resource", identifier) for identifier in resources]
