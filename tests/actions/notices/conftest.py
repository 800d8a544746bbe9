"""A receiver, and webhooks to it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.webhooks import DeliveryView, NewWebhook, WebhookActions, WebhookView
from app.actions.notices.webhook_delivery import WebhookDelivery
from app.actions.trust.post import Post
from app.crypto.webhook_secrets import WebhookSecrets
from tests.core import Core
from tests.receiver import Receiver, receiving


@dataclass
class Hooks:
    """A server with webhooks, and how it delivers to them."""

    core: Core
    receiver: Receiver

    @property
    def secrets(self) -> WebhookSecrets:
        return WebhookSecrets(self.core.actions.settings.sealing_keys)

    @property
    def actions(self) -> WebhookActions:
        return WebhookActions(self.core.store, self.secrets, self.core.clock, allow_private=True)

    def delivery(self, *, allow_private: bool = True, patience: float = 5.0) -> WebhookDelivery:
        """Return what one node delivers with."""
        post = Post(allow_private=allow_private, patience=patience)
        return WebhookDelivery(self.core.store, self.secrets, post, self.core.clock)

    def add(self, *events: str, url: str = "") -> tuple[WebhookView, str]:
        """Add a webhook to the receiver."""
        return self.actions.create(OPERATOR, NewWebhook(url or self.receiver.url, None, events or ("*",)))

    def deliver(self, delivery: WebhookDelivery | None = None) -> None:
        """Deliver until nothing more is due."""
        delivery = delivery or self.delivery()
        while delivery.deliver_due():
            pass

    def messages(self, webhook: WebhookView) -> list[DeliveryView]:
        """Return the messages to a webhook, oldest first."""
        return self.actions.deliveries(webhook.id, 100)[0][::-1]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def hooks(core: Core, receiver: Receiver) -> Hooks:
    return Hooks(core, receiver)
