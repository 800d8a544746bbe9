"""The state machine's third part: after every step everybody asks about everything, and the model knows the answers."""

from __future__ import annotations

from urllib.parse import urlencode

from hypothesis.stateful import invariant

from tests.fuzzing.credentials import Credentials
from tests.fuzzing.machine import expect, one, same
from tests.fuzzing.things import Client, Jwt, Token, whole
from tests.fuzzing.wire import FORM, Broken, basic, bearer, contents

SIGNED = "application/token-introspection+jwt"


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
        expect(status, answer, f"introspection by {called(holder)}")
        if status == 200:
            said = contents(answer.body.decode())
            same(self.world.introspected(token, None), said["token_introspection"], f"signed, of {called(token)}")
            same([self.world.issuer, whole(self.world.now)], [said["iss"], said["iat"]], "who signed, and when")

    def _inspect(self, token: Token) -> None:
        """Ask as an operator what a token is."""
        said = self.api(200, "POST", "/credentials/inspect", {"credential": token.text})
        states = token.states(self.world.now)
        if said["status"] not in states:
            raise Broken(f"inspection of {called(token)}: {said} instead of {states}")

    def _ask_as_operator(self, token: Token, place: int) -> None:
        """Ask as one who sees all, sometimes for a use from some address."""
        client_ip = ("192.0.2.7", None, "2001:db8::1", None)[(place + self.steps) % 4]
        form = [("token", token.text), *([("client_ip", client_ip)] if client_ip else [])]
        answer = self.nodes.wires[(place + self.steps) % 2].form("/oauth/introspect", form, self.nodes.manage())
        expect(200, answer, "introspection by an operator")
        same(self.world.introspected(token, None, client_ip), answer.json, f"of {called(token)}, to an operator")

    def _ask_as_client(self, client: Client) -> None:
        """Ask as a resource server about every token, by its newest secret; one that proves nothing learns nothing."""
        proves, authorization = self._proves(client), basic(client.client_id, self._secret(client))
        served = [resource.identifier for resource in client.serves]
        for place, token in enumerate(self.world.tokens):
            for wire in self.nodes.wires[: 1 if (place + self.steps) % 4 else 2]:
                answer = wire.form("/oauth/introspect", [("token", token.text)], authorization)
                expect(200 if proves else 401, answer, "introspection by a client")
                if not proves:
                    return
                same(
                    self.world.introspected(token, served), answer.json, f"of {called(token)}, to a server of {served}"
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
        for wire in self.nodes.wires[: 1 if (place + self.steps) % 2 else 2]:
            answer = wire.ask("GET", f"/oauth/forward-auth?{query}", {"Authorization": bearer(token.text)})
            status, headers = self.world.forwarded(token, identifier, needed)
            expect(status, answer, f"forward-auth of {called(token)} for {identifier} {needed or ''}")
            same(headers, {name: answer.headers[name] for name in headers}, f"forward-auth of {called(token)}")


def called(token: Token) -> str:
    """Name a token without its secret."""
    of = token.of
    return f"{type(of).__name__} {of.id if isinstance(of, Jwt) else of.row} secret {token.secret}"
