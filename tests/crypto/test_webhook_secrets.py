"""The secrets of webhooks follow SECRET_KEY through its replacement, and a message is signed with each that counts."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from app.actions.audit.actor import OPERATOR
from app.actions.directory.webhooks import OVERLAP, NewWebhook
from app.crypto.signing import SigningKeys
from app.crypto.webhook_secrets import WebhookSecrets
from app.errors import BadSettings
from app.maintenance.retention import Retention
from app.models import Webhook
from tests.core import Core

pytestmark = pytest.mark.both_databases
FIRST, SECOND = "k" * 40, "the next secret key " + "n" * 20
BODY = '{"type":"user.create"}'


def rotated(core: Core) -> tuple[str, str]:
    """Add a webhook and rotate its secret; return both."""
    webhook, former = core.actions.webhooks.create(OPERATOR, NewWebhook("https://hooks.example/"))
    return former, core.actions.webhooks.rotate(OPERATOR, webhook.id)[1]


def signed(core: Core, *keys: str) -> dict[str, str]:
    """Sign a message with what is stored, as a node that accepts these secret keys does."""
    with core.store.connection() as connection:
        rows = connection.execute(select(Webhook.sealed_secret, Webhook.sealed_former_secret))
        sealed = [secret for row in rows for secret in row if secret is not None]
    return {**WebhookSecrets(lambda: keys).sign(sealed, "msg_1", datetime.now(UTC), BODY)}


def reseal(core: Core, *keys: str) -> None:
    with core.store.transaction() as session:
        SigningKeys(lambda: keys).reseal(session)


def stored(core: Core) -> Sequence[object]:
    with core.store.reading() as session:
        return session.execute(select(Webhook.sealed_secret, Webhook.sealed_former_secret)).one()


@pytest.mark.asvs("14.2.4")
def test_the_former_secret_is_deleted_once_its_overlap_has_ended(core: Core) -> None:
    rotated(core)
    for seconds, kept in ((OVERLAP - 1, True), (2, False)):
        core.clock.advance(seconds=seconds)
        Retention(core.actions).sweep_all(lambda: True)
        current, former = stored(core)
        assert current is not None and (former is not None) == kept


@pytest.mark.asvs("11.2.2")
@pytest.mark.contract("the secrets of webhooks are sealed, and sealed again when SECRET_KEY is replaced")
def test_both_secrets_are_sealed_again_and_the_old_key_opens_neither(core: Core) -> None:
    secrets = rotated(core)
    with core.store.connection() as connection:
        assert SigningKeys(lambda: [SECOND, FIRST]).sealed_before(connection) == 2 + 2
    reseal(core, SECOND, FIRST)
    headers = signed(core, SECOND)
    for secret in secrets:
        Verifier(secret).verify(BODY, headers)
    with core.store.connection() as connection:
        assert SigningKeys(lambda: [SECOND, FIRST]).sealed_before(connection) == 0
    with pytest.raises(BadSettings):
        signed(core, FIRST)
    before = stored(core)
    reseal(core, SECOND, FIRST)
    assert stored(core) == before, "what is sealed under the current key is left as it is"


@pytest.mark.contract("the secrets of webhooks are sealed, and sealed again when SECRET_KEY is replaced")
def test_one_that_no_key_opens_leaves_everything_as_it_was(core: Core) -> None:
    rotated(core)
    foreign = WebhookSecrets(lambda: ["f" * 40]).make()[1]
    with core.store.transaction() as session:
        session.execute(update(Webhook).values(sealed_former_secret=foreign))
    before = stored(core)
    with pytest.raises(BadSettings):
        reseal(core, SECOND, FIRST)
    assert stored(core) == before
    with core.store.connection() as connection:
        SigningKeys(lambda: [FIRST]).check_seal(connection)


@pytest.mark.contract("the secrets of webhooks are sealed, and sealed again when SECRET_KEY is replaced")
def test_no_secret_is_in_the_database(core: Core) -> None:
    secrets, dump = rotated(core), core.database.dump()
    assert not [secret for secret in secrets if secret.encode() in dump or secret[6:].encode() in dump]


@pytest.mark.contract("webhooks are signed as Standard Webhooks say; a rotated secret signs too until its overlap ends")
def test_a_message_has_a_signature_of_each_secret_and_one_that_is_changed_has_none(core: Core) -> None:
    former, current = rotated(core)
    headers = signed(core, FIRST)
    assert [part[:3] for part in headers["webhook-signature"].split(" ")] == ["v1,", "v1,"]
    for secret in (former, current):
        Verifier(secret).verify(BODY, headers)
        for wrong in (headers | {"webhook-id": "msg_2"}, headers | {"webhook-timestamp": "1"}):
            with pytest.raises(WebhookVerificationError):
                Verifier(secret).verify(BODY, wrong)
        with pytest.raises(WebhookVerificationError):
            Verifier(secret).verify(BODY + " ", headers)
