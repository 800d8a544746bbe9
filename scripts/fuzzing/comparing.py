"""The credentials' part of the state machine, and the comparison after every step."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from scripts.fuzzing.machine import (
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
    one,
    some,
)
from scripts.fuzzing.things import Client, Jwt, Key, KeySecret, Pat, Token, over, whole
from scripts.fuzzing.wire import FORM, Answer, Broken, basic, bearer
from scripts.fuzzing.world import Grant

SIGNED = "application/token-introspection+jwt"
LIMITS = [(1, 1), (3, 60), (40, 60), (1_000, 3600)]
OFFSETS = [timedelta(microseconds=-1), timedelta(0), timedelta(microseconds=1), timedelta(seconds=-1)]


class Credentials(Rights):
    """Credentials come, change and go."""

    def of(self, type: type[Any]) -> list[Any]:
        """Give the credentials of a kind that tokens are still held of."""
        return list(dict.fromkeys(token.of for token in self.world.tokens if isinstance(token.of, type)))

    # --- personal access tokens

    @rule(which=number, chosen=mask, lifetime=st.none() | lifetimes)
    @precondition(lambda self: bool(self.world.users))
    def make_pat(self, which: int, chosen: int, lifetime: int | None) -> None:
        """Make a token of some of what a user's roles give, for so many seconds or for ever."""
        user, name = one(self.world.users, which), self.name("pat")
        given = list(dict.fromkeys(p for role in user.roles for p in role.permissions))
        scopes = some(given, chosen) or given[:1]
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
        """Let its user ask for a new secret."""
        pat: Pat = one(self.of(Pat), which)
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
        """Let an operator revoke it."""
        pat: Pat = one(self.of(Pat), which)
        status = 404 if pat.user.deleted else 204
        self.api(status, "DELETE", f"/users/{pat.user.row}/personal-access-tokens/{pat.row}")
        pat.revoked = True

    # --- API keys

    @rule(which=number, chosen=st.none() | mask, lifetime=st.none() | lifetimes, networks=st.sampled_from(NETWORKS))
    @precondition(lambda self: bool(self.world.resources))
    def make_key(self, which: int, chosen: int | None, lifetime: int | None, networks: tuple[str, ...]) -> None:
        """Issue a key for all that is public, or for a part of it."""
        resource = one(self.world.resources, which)
        subset = None if chosen is None else some([p for p in resource.permissions if p.public], chosen)
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
        """Disable or enable a key, give it another end and other networks."""
        key: Key = one(self.of(Key), which)
        expires_at = None if lifetime is None else self.world.now + timedelta(seconds=lifetime)
        ends = expires_at and expires_at.isoformat()
        body = {"enabled": enabled, "expires_at": ends, "allowed_ips": list(networks)}
        self.api(409 if key.revoked else 200, "PATCH", f"/api-keys/{key.row}", body)
        if not key.revoked:
            key.enabled, key.expires_at, key.networks = enabled, expires_at, networks

    @rule(which=number, chosen=st.none() | mask)
    @precondition(lambda self: any(not key.revoked for key in self.of(Key)))
    def narrow_key(self, which: int, chosen: int | None) -> None:
        """Choose anew what a key carries."""
        key: Key = one([key for key in self.of(Key) if not key.revoked], which)
        subset = None if chosen is None else some([p for p in key.resource.permissions if p.public], chosen)
        scopes = None if subset is None else [p.name for p in subset]
        self.api(200, "PATCH", f"/api-keys/{key.row}", {"scopes": scopes})
        key.subset = subset

    @rule(which=number, limit=st.none() | st.sampled_from(LIMITS))
    @precondition(lambda self: any(not key.revoked for key in self.of(Key)))
    def limit_key(self, which: int, limit: tuple[int, int] | None) -> None:
        """Let a key be used so often only, in so many seconds; a limit that was there before goes on where it was."""
        key: Key = one([key for key in self.of(Key) if not key.revoked], which)
        body = limit and {"requests": limit[0], "window_seconds": limit[1]}
        self.api(200, "PATCH", f"/api-keys/{key.row}", {"rate_limit": body})
        key.limit = limit

    @rule(which=number, overlap=st.sampled_from([0, 1, 60, 604_800]))
    @precondition(lambda self: bool(self.of(Key)))
    def rotate_key(self, which: int, overlap: int) -> None:
        """Give a key a new secret; the old ones work for the overlap."""
        key: Key = one(self.of(Key), which)
        status = 409 if key.revoked or over(key.expires_at, self.world.now) else 200
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
        """Let an operator revoke it."""
        key: Key = one(self.of(Key), which)
        self.api(204, "DELETE", f"/api-keys/{key.row}")
        key.revoked = True

    # --- signed tokens

    @rule(which=number, chosen=mask, named=mask)
    @precondition(lambda self: bool(self.world.clients))
    def make_machine_token(self, which: int, chosen: int, named: int) -> None:
        """Ask for a token by client credentials, for some scopes and resources."""
        client = one(self.world.clients, which)
        names = frozenset(p.name for p in some(self.world.giveable, chosen))
        resources = self._named(named)
        form = [("grant_type", "client_credentials"), *_asked(names, resources)]
        answer = self._token(form, client)
        if not self._proves(client):
            expect(401, answer, "a client without a live secret")
            return
        granted = self.world.granted(client, names, resources)
        self._signed(answer, granted, client, None, 0)

    @rule(which=number, chosen=mask, named=mask, by=st.none() | number, kind=st.booleans())
    @precondition(lambda self: bool(self.world.tokens))
    def exchange(self, which: int, chosen: int, named: int, by: int | None, kind: bool) -> None:
        """Exchange any token for a signed one, with a client or without."""
        token = one(self.world.tokens, which)
        client = one(self.world.clients, by) if by is not None and self.world.clients else None
        names = frozenset(p.name for p in some(self.world.giveable, chosen & chosen >> 3))
        resources = self._named(named)
        our = OUR + ("api_key" if isinstance(token.of, Key) else "personal_access_token")
        subject = [("subject_token", token.text), ("subject_token_type", our if kind else ANY_TYPE)]
        answer = self._token([("grant_type", EXCHANGE), *subject, *_asked(names, resources)], client)
        if client is not None and not self._proves(client):
            expect(401, answer, "a client without a live secret")
            return
        granted = self.world.exchanged(token, names, resources)
        source = None if isinstance(token.of, Jwt) else token.of
        self._signed(answer, granted, client, source, token.secret)

    def _named(self, named: int) -> tuple[str, ...]:
        """Name a few resources, mostly none."""
        return tuple(r.identifier for r in some([*self.world.resources, self.world.own], named & named >> 3))

    def _token(self, form: list[tuple[str, str]], client: Client | None) -> Answer:
        authorization = None if client is None else basic(client.client_id, self._secret(client))
        return self.nodes.wires[self._serial % 2].form("/oauth/token", form, authorization)

    def _secret(self, client: Client) -> str:
        live = [secret for secret in client.secrets if secret.live(self.world.now)]
        return (live or client.secrets)[-1].text

    def _proves(self, client: Client) -> bool:
        return client.stands and any(secret.live(self.world.now) for secret in client.secrets)

    def _signed(
        self, answer: Answer, granted: Grant | str, client: Client | None, source: Pat | Key | None, secret: int
    ) -> None:
        """Compare what was signed with what was to be signed, and hold it."""
        if isinstance(granted, str):
            status = 429 if granted == "temporarily_unavailable" else 400
            expect(status, answer, f"a token that should be refused with {granted}")
            _same(granted, answer.json["error"], "the refusal")
            return
        expect(200, answer, f"a token of {granted}")
        body = answer.json
        claims = contents(body["access_token"])
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        said = [audience, claims["scope"], body["scope"], claims["iat"], claims["exp"], body["expires_in"]]
        now, scope, ends = whole(self.world.now), " ".join(sorted(granted.names)), whole(granted.ends_at)
        _same([list(granted.audience), scope, scope, now, ends, ends - now], said, "what was signed")
        issued_at = datetime.fromtimestamp(now, UTC)
        jwt = Jwt(
            claims["jti"], body["access_token"], client, granted.audience, granted.names, issued_at, granted.ends_at
        )
        jwt.source, jwt.secret = source, secret
        self.holds(jwt, jwt.text)

    @rule()
    def rotate_signing_key(self) -> None:
        """Let the next key sign; what was signed before stays good."""
        self.api(200, "POST", "/signing-keys/rotate")

    # --- the end of credentials

    @rule(which=number, by=st.none() | number)
    @precondition(lambda self: bool(self.world.tokens))
    def revoke(self, which: int, by: int | None) -> None:
        """Present a token for revocation, as whoever holds it (RFC 7009)."""
        token = one(self.world.tokens, which)
        client = one(self.world.clients, by) if by is not None and self.world.clients else None
        authorization = None if client is None else basic(client.client_id, self._secret(client))
        answer = self.nodes.wires[self._serial % 2].form("/oauth/revoke", [("token", token.text)], authorization)
        if client is not None and not self._proves(client):
            expect(401, answer, "a revocation by a client that proves nothing")
            return
        status = 200
        if isinstance(token.of, Jwt) and token.of.client is not None and not over(token.of.expires_at, self.world.now):
            status = 401 if client is None else 400 if client is not token.of.client else 200
        expect(status, answer, "a revocation")
        if status == 200:
            self._ended(token)

    @rule(chosen=st.lists(number, min_size=1, max_size=3))
    @precondition(lambda self: bool(self.world.tokens))
    def report_leak(self, chosen: list[int]) -> None:
        """Report tokens that were found in the wild."""
        tokens = [one(self.world.tokens, which) for which in chosen]
        answer = self.nodes.wires[self._serial % 2].ask(
            "POST",
            "/api/v1/credentials/revoke",
            {"Content-Type": "application/json"},
            json.dumps({"credentials": [token.text for token in tokens]}).encode(),
        )
        expect(202, answer, "a report")
        for token in tokens:
            self._ended(token)

    def _ended(self, token: Token) -> None:
        """End what the token opens, if it still opens anything."""
        of = token.of
        if isinstance(of, Jwt):
            of.denied = True
        elif isinstance(of, Pat):
            of.revoked = of.revoked or token.secret == len(of.secrets) - 1
        elif not over(of.secrets[token.secret].ends_at, self.world.now):
            of.revoked = True

    # --- time

    @rule(seconds=st.sampled_from([0.25, 1, 59, 60, 3599, 3600, 86_400]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._arrive(self.world.now + timedelta(seconds=seconds))

    @rule(which=number, offset=st.sampled_from(OFFSETS))
    @precondition(lambda self: any(self.world.moments()))
    def wait_for(self, which: int, offset: timedelta) -> None:
        """Let time pass until something ends, or a moment before or after."""
        moments = list(self.world.moments())[:3]
        self._arrive(max(self.world.now, one(moments, which) + offset))

    def _arrive(self, now: datetime) -> None:
        self.world.now = now
        self.nodes.clock.tell(now)


class Comparing(Credentials):
    """After every step everybody asks about everything."""

    @invariant()
    def all_answers_are_as_they_should_be(self) -> None:
        """Compare introspection by every caller and forward-auth, on both nodes."""
        self.steps += 1
        for place, token in enumerate(self.world.tokens):
            self._ask_as_operator(token, place)
            self._ask_as_gateway(token, place)
        for client in self.world.clients:
            self._ask_as_client(client)
        if self.world.tokens:
            self._ask_as_holder(one(self.world.tokens, self.steps), one(self.world.tokens, self.steps // 2))
            self._inspect(one(self.world.tokens, self.steps))

    def _ask_as_holder(self, holder: Token, token: Token) -> None:
        """Ask as who holds a token, which may be one that may ask; the answer is signed (RFC 9701)."""
        headers = {"Content-Type": FORM, "Accept": SIGNED, "Authorization": bearer(holder.text)}
        body = urlencode({"token": token.text}).encode()
        answer = self.nodes.wires[self.steps % 2].ask("POST", "/oauth/introspect", headers, body)
        status = self.world.may_ask(holder)
        expect(status, answer, f"introspection by {_called(holder)}")
        if status == 200:
            said = contents(answer.body.decode())
            _same(self.world.introspected(token, None), said["token_introspection"], f"signed, of {_called(token)}")
            _same([self.world.issuer, whole(self.world.now)], [said["iss"], said["iat"]], "who signed, and when")

    def _inspect(self, token: Token) -> None:
        """Ask as an operator what a token is."""
        said = self.api(200, "POST", "/credentials/inspect", {"credential": token.text})
        states = token.states(self.world.now)
        if said["status"] not in states:
            raise Broken(f"inspection of {_called(token)}: {said} instead of {states}")

    def _ask_as_operator(self, token: Token, place: int) -> None:
        """Ask as one who sees all, sometimes for a use from some address."""
        client_ip = ("192.0.2.7", None, "2001:db8::1", None)[(place + self.steps) % 4]
        form = [("token", token.text), *([("client_ip", client_ip)] if client_ip else [])]
        answer = self.nodes.wires[(place + self.steps) % 2].form("/oauth/introspect", form, self.nodes.manage())
        expect(200, answer, "introspection by an operator")
        _same(self.world.introspected(token, None, client_ip), answer.json, f"of {_called(token)}, to an operator")

    def _ask_as_client(self, client: Client) -> None:
        """Ask as a resource server about every token, by its newest secret; one that proves nothing learns nothing."""
        proves, authorization = self._proves(client), basic(client.client_id, self._secret(client))
        served = [resource.identifier for resource in client.serves]
        for place, token in enumerate(self.world.tokens):
            for wire in self.nodes.wires[: 1 + (place + self.steps) % 2]:
                answer = wire.form("/oauth/introspect", [("token", token.text)], authorization)
                expect(200 if proves else 401, answer, "introspection by a client")
                if not proves:
                    return
                _same(
                    self.world.introspected(token, served), answer.json, f"of {_called(token)}, to a server of {served}"
                )

    def _ask_as_gateway(self, token: Token, place: int) -> None:
        """Ask whether a request may pass."""
        if not self.world.resources:
            return
        resource = one(self.world.resources, place + self.steps)
        claims = token.claims(self.world.now)
        identifier = claims.audience[0] if claims and claims.audience and self.steps % 3 else resource.identifier
        permissions = [p for p in self.world.permissions if p.resource.identifier == identifier]
        needed = one(permissions, place + self.steps).name if permissions and self.steps % 2 else None
        query = urlencode({"resource": identifier} | ({"scope": needed} if needed else {}))
        for wire in self.nodes.wires:
            answer = wire.ask("GET", f"/oauth/forward-auth?{query}", {"Authorization": bearer(token.text)})
            status, headers = self.world.forwarded(token, identifier, needed)
            expect(status, answer, f"forward-auth of {_called(token)} for {identifier} {needed or ''}")
            _same(headers, {name: answer.headers[name] for name in headers}, f"forward-auth of {_called(token)}")


def contents(token: str) -> dict[str, Any]:
    """Give a token's claims, unverified."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _asked(names: frozenset[str], resources: tuple[str, ...]) -> list[tuple[str, str]]:
    scope = [("scope", " ".join(sorted(names)))] if names else []
    return scope + [("resource", identifier) for identifier in resources]


def _called(token: Token) -> str:
    of = token.of
    return f"{type(of).__name__} {of.id if isinstance(of, Jwt) else of.row} secret {token.secret}"


def _same(expected: object, said: object, what: str) -> None:
    if expected != said:
        raise Broken(f"{what}:\n  expected {expected}\n  answered {said}")
