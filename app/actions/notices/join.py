"""Join what finds and delivers notices, by webhook and by mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.actions.directory.one_time_links import OneTimeLinks
from app.actions.directory.webhooks import WebhookActions
from app.actions.notices.find_due import FindDueNotices
from app.actions.notices.preferences import NoticePreferences
from app.actions.notices.webhook_delivery import WebhookDelivery
from app.actions.outbox.notices import Notices
from app.actions.trust.post import Post
from app.clock import Clock
from app.credentials.kind import SecretKind
from app.crypto.webhook_secrets import WebhookSecrets
from app.database.store import Store
from app.settings.settings import Settings

if TYPE_CHECKING:
    from app.actions.notices.mail_delivery import MailDelivery


def make_notices(settings: Settings) -> Notices:
    """Return what writes notices, by mail too where a server takes it."""
    return Notices(mails=settings.smtp_server is not None)


def join_notices(
    settings: Settings, store: Store, secrets: Sequence[SecretKind], links: OneTimeLinks, clock: Clock
) -> dict[str, object]:
    """Return the actions of notices and webhooks by their names."""
    notices, sealed, private = (
        make_notices(settings),
        WebhookSecrets(settings.sealing_keys),
        settings.allow_private_jwks_uri,
    )
    return {
        "notices": notices,
        "notice_preferences": NoticePreferences(store, settings.languages, clock),
        "find_due_notices": FindDueNotices(store, secrets, notices, clock),
        "mail_delivery": _mail_delivery(settings, store, links, clock),
        "webhooks": WebhookActions(store, sealed, clock, allow_private=private),
        "webhook_delivery": WebhookDelivery(store, sealed, Post(allow_private=private), clock),
    }


def _mail_delivery(settings: Settings, store: Store, links: OneTimeLinks, clock: Clock) -> MailDelivery | None:
    """Return what sends the mail of this server; None where no server takes it."""
    server = settings.smtp_server
    if server is None:
        return None
    from app.actions.mail.compose import ComposeMail  # a server without mail saves its memory
    from app.actions.mail.smtp import SendMail, our_name
    from app.actions.notices.mail_delivery import MailDelivery

    compose = ComposeMail(settings.issuer, settings.mail_sender, links.write_url)
    return MailDelivery(store, compose, SendMail(server, our_name(settings.issuer)), settings.languages, clock)
