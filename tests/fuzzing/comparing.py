"""The state machine's third part: after every step, each caller's requests are compared with the model's answers."""

from __future__ import annotations

from urllib.parse import urlencode

from hypothesis.stateful import invariant

from tests.fuzzing.credentials import Credentials
from tests.fuzzing.machine import expect, pick_one, same
from tests.fuzzing.things import Client, Jwt, Token, epoch_seconds
from tests.fuzzing.wire import FORM, Broken, basic, bearer, contents

SIGNED = "application/token-introspection+jwt"


class Comparing(Credentials):
    """Compares introspection and forward-auth with the model after every step."""

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
            self._ask_as_holder(pick_one(self.world.tokens, self.steps), pick_one(self.world.tokens, self.steps // 2))
            self._inspect(pick_one(self.world.tokens, self.steps))

    def _ask_as_holder(self, holder: Token, token: Token) -> None:
        """Introspect with a token as the Bearer credential; the response is signed (RFC 9701)."""
        headers = {"Content-Type": FORM, "Accept": SIGNED, "Authorization": bearer(holder.text)}
        body = urlencode({"token": token.text}).encode()
        answer = self.nodes.wires[self.steps % 2].ask("POST", "/oauth/introspect", headers, body)
        status = self.world.expected_status(holder)
        expect(status, answer, f"introspection by {describe(holder)}")
        if status == 200:
            said = contents(answer.body.decode())
            same(
                self.world.expected_claims(token, None),
                said["token_introspection"],
                f"signed, of {describe(token)}",
            )
            same([self.world.issuer, epoch_seconds(self.world.now)], [said["iss"], said["iat"]], "who signed, and when")

    def _inspect(self, token: Token) -> None:
        """Inspect a token as an operator."""
        said = self.api(200, "POST", "/credentials/inspect", {"credential": token.text})
        states = token.states(self.world.now)
        if said["status"] not in states:
            raise Broken(f"inspection of {describe(token)}: {said} instead of {states}")

    def _ask_as_operator(self, token: Token, place: int) -> None:
        """Introspect as an operator, who sees all tokens; some requests name the address of the client."""
        client_ip = ("192.0.2.7", None, "2001:db8::1", None)[(place + self.steps) % 4]
        form = [("token", token.text), *([("client_ip", client_ip)] if client_ip else [])]
        answer = self.nodes.wires[(place + self.steps) % 2].form("/oauth/introspect", form, self.nodes.manage())
        expect(200, answer, "introspection by an operator")
        same(
            self.world.expected_claims(token, None, client_ip),
            answer.json,
            f"of {describe(token)}, to an operator",
        )

    def _ask_as_client(self, client: Client) -> None:
        """Introspect every token as a resource server, with its newest secret; expect 401 without a valid one."""
        proves, authorization = self._can_authenticate(client), basic(client.client_id, self._newest_secret(client))
        served = [resource.identifier for resource in client.serves]
        for place, token in enumerate(self.world.tokens):
            for wire in self.nodes.wires[: 1 if (place + self.steps) % 4 else 2]:
                answer = wire.form("/oauth/introspect", [("token", token.text)], authorization)
                expect(200 if proves else 401, answer, "introspection by a client")
                if not proves:
                    return
                same(
                    self.world.expected_claims(token, served),
                    answer.json,
                    f"of {describe(token)}, to a server of {served}",
                )

    def _ask_as_gateway(self, token: Token, place: int) -> None:
        """Request forward-auth as a gateway does."""
        if not self.world.resources:
            return
        resource = pick_one(self.world.resources, place + self.steps)
        claims = token.claims(self.world.now)
        identifier = claims.audience[0] if claims and claims.audience and self.steps % 3 else resource.identifier
        permissions = [p for p in self.world.permissions if p.resource.identifier == identifier]
        needed = pick_one(permissions, place + self.steps).name if permissions and self.steps % 2 else None
        query = urlencode({"resource": identifier} | ({"scope": needed} if needed else {}))
        for wire in self.nodes.wires[: 1 if (place + self.steps) % 2 else 2]:
            answer = wire.ask("GET", f"/oauth/forward-auth?{query}", {"Authorization": bearer(token.text)})
            status, headers = self.world.expected_forward_auth(token, identifier, needed)
            expect(status, answer, f"forward-auth of {describe(token)} for {identifier} {needed or ''}")
            same(headers, {name: answer.headers[name] for name in headers}, f"forward-auth of {describe(token)}")


def describe(token: Token) -> str:
    """Name a token without its secret."""
    of = token.of
    return f"{type(of).__name__} {of.id if isinstance(of, Jwt) else of.row} secret {token.secret}"
