"""Hand a message over to the mail server (RFC 5321): encrypted, authenticated, and within one bound of time."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from email.message import EmailMessage
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from app.database.redaction import redact
from app.settings.mail import SmtpServer

PATIENCE = 20.0  # seconds for connecting, encrypting, authenticating and sending together
LONGEST_REPLY = 200  # characters of what the server replied
UNAUTHENTICATED = frozenset({530, 534, 535, 538})  # RFC 4954 §6: an operator can mend it, so the message waits


class MailRefused(Exception):
    """The server refuses the message for good (a reply of 5xx): it is not sent again."""


class MailDelayed(Exception):
    """The message could not be handed over now: it can be sent again later."""


class SendMail:
    """Sends messages by one server, each over a connection of its own."""

    def __init__(
        self,
        server: SmtpServer,
        our_name: str,
        *,
        patience: float = PATIENCE,
        certificates: ssl.SSLContext | None = None,
    ) -> None:
        """Take the server, and the name that we greet it by; `certificates` are the machine's unless given."""
        self._server = server
        self._our_name = our_name
        self._patience = patience
        self._certificates = certificates

    def __call__(self, message: EmailMessage) -> None:
        """Send the message from its From to its To; raise MailRefused or MailDelayed."""
        with self._connected() as connection:
            try:
                connection.send_message(message)
            except smtplib.SMTPRecipientsRefused as error:
                [(code, reply), *_] = error.recipients.values()
                raise _refusal(code, reply) from None
            except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
                raise _refusal(error.smtp_code, error.smtp_error) from None
            except smtplib.SMTPNotSupportedError:  # SMTPUTF8 (RFC 6531) for an address that is not ASCII
                raise MailRefused("the server accepts no address with characters outside ASCII") from None
            except (UnicodeError, ValueError):
                raise MailRefused("the address cannot be written in mail") from None

    def check(self) -> None:
        """Connect, encrypt and authenticate, and send nothing; raise MailDelayed that says what failed."""
        with self._connected() as connection:
            connection.noop()

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """Open a connection that is ready to send; every fault of the connection becomes MailDelayed."""
        try:
            connection = _Bounded(self._server, self._our_name, self._context(), self._patience)
            with closing(connection):
                self._prepare(connection)
                yield connection
                with suppress(smtplib.SMTPException, OSError):  # what was accepted is sent, whatever follows
                    connection.quit()
        except ssl.SSLCertVerificationError as error:
            raise MailDelayed(f"the server's certificate is not valid: {error.verify_message}") from None
        except smtplib.SMTPAuthenticationError as error:
            raise MailDelayed(f"the server refuses the user or the password of SMTP_URL ({error.smtp_code})") from None
        except smtplib.SMTPNotSupportedError:
            raise MailDelayed("the server offers no STARTTLS, or no way to authenticate that is known here") from None
        except smtplib.SMTPResponseException as error:
            raise MailDelayed(_describe(error.smtp_code, error.smtp_error)) from None
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise MailDelayed(f"the server cannot be reached, or is too slow ({type(error).__name__})") from None

    def _prepare(self, connection: smtplib.SMTP) -> None:
        """Encrypt the connection and authenticate, as the URL says; a password is never sent before encryption."""
        connection.ehlo_or_helo_if_needed()
        if self._server.encryption == "starttls":
            connection.starttls(context=self._context())
        if self._server.username:
            connection.login(self._server.username, self._server.password)

    def _context(self) -> ssl.SSLContext:
        return self._certificates or ssl.create_default_context()


class _Bounded(smtplib.SMTP):
    """A connection that is cut after some time: smtplib's own timeout starts again with each byte that arrives."""

    def __init__(self, server: SmtpServer, our_name: str, context: ssl.SSLContext, patience: float) -> None:
        self._encryption = server.encryption
        self._context = context
        self._line: socket.socket | None = None
        self._end = Timer(patience, self._cut)
        self._end.daemon = True
        try:
            super().__init__(server.host, server.port, our_name, timeout=patience)
        except BaseException:
            self.close()
            raise

    def connect(self, host: str = "localhost", port: int = 0, source_address: Any = None) -> tuple[int, bytes]:
        """Connect, with TLS from the start where it is so set, and read the greeting."""
        self._end.start()
        plain = socket.create_connection((host, port), self.timeout, source_address)
        self.sock, self._line = plain, plain.dup()  # the second stays the connection when TLS wraps the first
        if self._encryption == "tls":
            self.sock = self._context.wrap_socket(plain, server_hostname=host)
        return self.getreply()

    def close(self) -> None:
        """Close the connection, and the timer that would cut it."""
        self._end.cancel()
        if self._line is not None:
            self._line.close()
        super().close()

    def _cut(self) -> None:
        """End what is being read or written: it fails as a closed connection does."""
        with suppress(OSError):
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)


def our_name(issuer: str) -> str:
    """Return the name by which the server at an issuer greets (RFC 5321 §4.1.1.1): its host, an address in brackets."""
    host = urlsplit(issuer).hostname or "localhost"
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]" if host.replace(".", "").isdecimal() else host


def _refusal(code: int, reply: bytes | str) -> MailRefused | MailDelayed:
    """Return what a reply to the message means (RFC 5321 §4.2.1): 4xx is for now, 5xx for good."""
    ended = 500 <= code < 600 and code not in UNAUTHENTICATED
    return (MailRefused if ended else MailDelayed)(_describe(code, reply))


def _describe(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return redact(f"the server replied {code} {line}"[:LONGEST_REPLY])
