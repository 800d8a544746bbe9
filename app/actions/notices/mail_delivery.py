"""Send the notices that wait in the outbox for mail: at least once each, by one process at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from email.message import EmailMessage

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app.actions.mail.compose import ComposeMail, LinkEnded, Reader
from app.actions.mail.smtp import MailDelayed, MailRefused
from app.actions.outbox.enqueue import MAIL
from app.actions.outbox.messages import (
    DELIVERED,
    Lease,
    due_messages,
    end_message,
    has_due_messages,
    is_given_up,
    lease_messages,
    retry_message,
)
from app.clock import Clock
from app.database.store import Store
from app.database.types import new_id
from app.models import NoticePreference, User

INTERVAL = 5.0  # seconds between two looks at the outbox
MOST_AT_ONCE = 4  # messages of one look: they are sent within their lease
LONGEST_RESULT = 200
TEST, UNUSABLE = "mail.test", "the address cannot be written in mail"
log = logging.getLogger(__name__)


class MailDelivery:
    """Sends what is due; one object per server process."""

    def __init__(
        self,
        store: Store,
        compose: ComposeMail,
        send: Callable[[EmailMessage], None],
        languages: Sequence[str],
        clock: Clock,
    ) -> None:
        self._store = store
        self._compose = compose
        self._send = send
        self._languages = languages
        self._clock = clock
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread; call it once per process."""
        threading.Thread(target=self._run, name="mail", daemon=True).start()

    def stop(self) -> None:
        """Begin no further message, at a clean stop of the process."""
        self._stopping.set()

    def send_test(self, reader: Reader) -> None:
        """Send a test message now, past the outbox; raise MailRefused or MailDelayed."""
        try:
            message = self._compose(TEST, {}, reader, new_id("msg"), self._clock())
        except ValueError:
            raise MailRefused(UNUSABLE) from None
        self._send(message)

    def deliver_due(self) -> int:
        """Try to send some of the messages that are due, each once; return how many were tried."""
        leases = self._lease()
        for lease in leases:
            self._deliver(lease)
        return len(leases)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                tried = self.deliver_due()
            except SQLAlchemyError:
                tried = 0
                log.warning("mail waits for the database")
            if not tried:
                self._stopping.wait(INTERVAL)

    def _lease(self) -> list[Lease]:
        now = self._clock()
        with self._store.reading() as session:  # most looks find nothing: they write nothing
            if not has_due_messages(session, MAIL, now):
                return []
        with self._store.transaction() as session:
            return lease_messages(session, due_messages(MAIL, now).limit(MOST_AT_ONCE), now)

    def _find_reader(self, user_id: str) -> Reader | None:
        """Return the user as it is now; None for one that can get no mail any more."""
        columns = select(User.email, User.username, User.display_name, NoticePreference.language)
        found = columns.outerjoin(NoticePreference).where(User.id == user_id, User.enabled, User.email.is_not(None))
        with self._store.connection() as connection:
            row = connection.execute(found).one_or_none()
        if row is None:
            return None
        language = row.language if row.language in self._languages else self._languages[0]
        return Reader(row.email, row.username, row.display_name, language)

    def _deliver(self, lease: Lease) -> None:
        reader = self._find_reader(lease.recipient)
        if reader is None:
            return self._end(lease, "the user has no address, is disabled or gone")
        try:
            self._send(self._compose(lease.type, lease.payload, reader, lease.message_id, lease.created_at))
        except LinkEnded:
            return self._end(lease, "its link is used, expired or replaced")
        except MailDelayed as error:
            log.warning("mail is delayed: %s", error)
            return self._delay(lease, str(error))
        except (MailRefused, ValueError) as error:  # a ValueError is an address that cannot be written in a header
            reason = str(error) if isinstance(error, MailRefused) else UNUSABLE
            log.warning("mail is refused: %s", reason)
            return self._end(lease, reason)
        except Exception as error:  # one message that nobody foresaw must not stop the others, on any node
            log.warning("mail cannot be sent", exc_info=error)
            return self._end(lease, f"it cannot be sent ({type(error).__name__})")
        return self._end(lease, DELIVERED)

    def _delay(self, lease: Lease, reason: str) -> None:
        now = self._clock()
        settle = end_message if is_given_up(lease, now) else retry_message
        with self._store.transaction() as session:
            settle(session, lease, now, reason[:LONGEST_RESULT])

    def _end(self, lease: Lease, result: str) -> None:
        with self._store.transaction() as session:
            end_message(session, lease, self._clock(), result[:LONGEST_RESULT])
