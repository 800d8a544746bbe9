"""The rows of apps that registered themselves or that a metadata document describes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from app.actions.audit.actor import SERVER
from app.actions.audit.record import SEVERAL, record
from app.actions.directory.app_metadata import AppMetadata
from app.database.statements import SWEPT
from app.models import AppGrant, Client, Consent, Permission, Resource
from app.models.auth_methods import Method
from app.models.client import Registrar
from app.models.grant_types import GrantType

TARGET = "client"
UNUSED = timedelta(days=1)  # after which an app that nobody agreed to is deleted


def write_metadata(session: Session, row: Client, metadata: AppMetadata) -> None:
    """Set the columns of a row; a name or a scope that the app does not state, or that is not known, is left out."""
    row.name = metadata.name or row.client_id  # RFC 7591 §2: the client_id may be shown instead
    row.token_endpoint_auth_method = metadata.method
    row.grant_types, row.redirect_uris = list(metadata.grant_types), list(metadata.redirect_uris)
    row.scopes = _known_scopes(session, metadata.scopes)
    row.jwks, row.jwks_uri = metadata.jwks, metadata.jwks_uri
    row.client_uri, row.logo_uri, row.policy_uri = metadata.client_uri, metadata.logo_uri, metadata.policy_uri
    row.dpop_bound_access_tokens = metadata.dpop_bound


def changed_members(before: AppMetadata, row: Client) -> list[str]:
    """List the members of its metadata in which a row differs from before."""
    after = metadata_of(row)
    return [
        name for name in [field.name for field in fields(AppMetadata)] if getattr(before, name) != getattr(after, name)
    ]


def metadata_of(row: Client) -> AppMetadata:
    """Return the metadata as it is kept."""
    return AppMetadata(
        name=row.name,
        method=cast(Method, row.token_endpoint_auth_method),
        grant_types=tuple(cast(Iterable[GrantType], row.grant_types)),
        redirect_uris=tuple(row.redirect_uris),
        scopes=None if row.scopes is None else tuple(row.scopes),
        jwks=row.jwks,
        jwks_uri=row.jwks_uri,
        client_uri=row.client_uri,
        logo_uri=row.logo_uri,
        policy_uri=row.policy_uri,
        dpop_bound=row.dpop_bound_access_tokens,
    )


def delete_unused(session: Session, registered_by: Registrar, at: datetime) -> None:
    """Delete some apps that nobody agreed to within a day; one that an operator disabled stays."""
    unused = (
        select(Client.id)
        .where(Client.registered_by == registered_by, Client.created_at < at - UNUSED, Client.enabled)
        .where(~exists().where(Consent.client_id == Client.id), ~exists().where(AppGrant.client_id == Client.id))
        .limit(SWEPT)
        .with_for_update(skip_locked=True)
    )
    if ids := session.scalars(unused).all():
        session.execute(delete(Client).where(Client.id.in_(ids)))
        record(session, SERVER, f"{TARGET}.expire", TARGET, SEVERAL, at, count=len(ids))


def _known_scopes(session: Session, scopes: tuple[str, ...] | None) -> list[str] | None:
    """Return the scopes that exist, none of the management API among them; None where none is left."""
    if not scopes:
        return None
    query = select(Permission.name).join(Resource, Resource.id == Permission.resource_id)
    known = set(session.scalars(query.where(Permission.name.in_(scopes), Resource.built_in.is_(False))))
    return [scope for scope in scopes if scope in known] or None
