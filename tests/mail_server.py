"""A real mail server on loopback, by aiosmtpd: with TLS, authentication, and the moods that mail servers have."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from tests.clients.document_host import make_certificate
from tests.ports import free_port

HOST, USERNAME, PASSWORD = "127.0.0.1", "mailer", "p@ss:word/?"
WRITTEN = f"{USERNAME}:p%40ss%3Aword%2F%3F@"  # user and password as a URL has them


@dataclass
class MailServer:
    """What arrived at a server; `replies` are given to the next messages in place of acceptance, by command.

    The reply to a command in `held` waits until `release` is set.
    """

    port: int
    certificate: Path
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    replies: dict[str, list[str]] = field(default_factory=dict)
    arrived: threading.Event = field(default_factory=threading.Event)
    held: set[str] = field(default_factory=set)
    release: threading.Event = field(default_factory=threading.Event)

    def url(self, scheme: str = "smtp", user: str = "") -> str:
        """Return the URL for SMTP_URL."""
        return f"{scheme}://{user}{HOST}:{self.port}"

    def trusting(self) -> ssl.SSLContext:
        """Return a context that trusts the certificate of this server alone."""
        return ssl.create_default_context(cafile=str(self.certificate))


class _Handler:
    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_MAIL(self, _server: Any, _session: Session, envelope: Envelope, sender: str, options: Any) -> str:
        envelope.mail_from = sender
        envelope.mail_options.extend(options)
        return self._reply("MAIL")

    async def handle_RCPT(self, _server: Any, _session: Session, envelope: Envelope, address: str, _o: Any) -> str:
        reply = self._reply("RCPT")
        await self._hold("RCPT")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:
        reply = self._reply("DATA")
        if reply.startswith("250"):
            content = envelope.content if isinstance(envelope.content, bytes) else b""
            self._server.messages.append(message_from_bytes(content, policy=policy.default))
            self._server.recipients.extend(envelope.rcpt_tos)
            self._server.arrived.set()
        await self._hold("DATA")
        return reply

    def _reply(self, command: str) -> str:
        self._server.commands.append(command)
        waiting = self._server.replies.get(command)
        return waiting.pop(0) if waiting else "250 OK"

    async def _hold(self, command: str) -> None:
        if command in self._server.held:
            await asyncio.to_thread(self._server.release.wait, 30)


@contextmanager
def mail_server(folder: Path, *, encryption: str = "none", authentication: bool = False) -> Iterator[MailServer]:
    """Run a server: `encryption` is none, starttls or tls; with `authentication` it takes only USERNAME's mail."""
    certificate, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = MailServer(free_port(), certificate)
    controller = Controller(
        _Handler(server),
        hostname=HOST,
        port=server.port,
        ssl_context=context if encryption == "tls" else None,
        tls_context=context if encryption == "starttls" else None,
        require_starttls=encryption == "starttls",
        auth_required=authentication,
        auth_require_tls=encryption == "starttls",
        authenticator=_authenticate,
        enable_SMTPUTF8=False,
    )
    controller.start()
    try:
        yield server
    finally:
        server.release.set()
        controller.stop()


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, auth_data: Any) -> AuthResult:
    right = LoginPassword(USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=auth_data == right, handled=False)


@contextmanager
def stubborn_server(*greeting: bytes, again: float = 0) -> Iterator[int]:
    """Accept connections, say the greeting, then nothing or its last part every `again` seconds; yield the port."""
    ended = threading.Event()
    with socket.create_server((HOST, 0)) as listening:
        thread = threading.Thread(target=_stall, args=(listening, greeting, again, ended))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            ended.set()
            with socket.create_connection(listening.getsockname()):  # which wakes a thread that accepts
                pass
            thread.join()


def _stall(listening: socket.socket, greeting: tuple[bytes, ...], again: float, ended: threading.Event) -> None:
    while not ended.is_set():
        connection, _ = listening.accept()
        with connection:
            try:
                connection.sendall(b"".join(greeting))
                while again and not ended.wait(again):
                    connection.sendall(greeting[-1])
                if not again:
                    while connection.recv(1024):
                        pass
            except OSError:
                continue
