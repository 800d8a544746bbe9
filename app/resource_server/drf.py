"""Protect the views of Django REST framework: an authentication class, and a permission for each route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.signals import request_finished, request_started
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission, OperationHolderMixin

from .configuration import Verification
from .credential import Credential
from .current import current_credential, set_credential
from .django import ResourceServer, configured_server
from .errors import InsufficientScope, NothingSent, Refusal
from .metadata import metadata_url

if TYPE_CHECKING:  # the framework imports this module, which its settings name, before it has made its views
    from rest_framework.request import Request
    from rest_framework.views import APIView

__all__ = ["HasScope", "LatchkeyAuthentication", "LatchkeyUser", "current_credential"]


@dataclass(frozen=True)
class LatchkeyUser:
    """Be `request.user`: the caller, which need not be a user of this application. It has no rights but its scopes."""

    credential: Credential
    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False
    is_active: ClassVar[bool] = True
    is_staff: ClassVar[bool] = False
    is_superuser: ClassVar[bool] = False

    @property
    def pk(self) -> str:
        """Return the identifier of the caller: of the user, the client, or the key."""
        return self.credential.subject or self.credential.client_id or self.credential.id

    @property
    def username(self) -> str:
        """Return the name of the user; of another caller its identifier."""
        return self.credential.username or self.pk

    def get_username(self) -> str:
        """Return the user's name, by Django's name for it."""
        return self.username

    def __str__(self) -> str:
        return self.username


class RefusedRequest(APIException):  # type: ignore[misc]  # Django REST framework has no types
    """Carry a refusal through the framework's handler of exceptions, with its challenges."""

    def __init__(self, refusal: Refusal) -> None:
        """Take the status, the body and the challenges of a refusal."""
        super().__init__(refusal.body, refusal.error)
        self.status_code = refusal.status
        self.auth_header = _join(refusal, "WWW-Authenticate")
        self.wait = int(_join(refusal, "Retry-After") or 0)


class LatchkeyAuthentication(BaseAuthentication):  # type: ignore[misc]
    """Verify the credential of a request: `request.auth` is the credential, `request.user` a `LatchkeyUser`.

    A subclass may choose another server than the one of the setting LATCHKEY, and how its views verify.
    """

    resource_server: ClassVar[ResourceServer | None] = None  # None: that of the setting
    verify: ClassVar[Verification | None] = None

    def authenticate(self, request: Request) -> tuple[LatchkeyUser, Credential] | None:
        """Return the caller and its credential, None if there is none; raise what refuses a bad one."""
        set_credential(None)
        try:
            credential = self._server.authenticate(request._request, verify=self.verify)
        except NothingSent:
            return None
        except Refusal as refusal:
            raise RefusedRequest(refusal) from None
        set_credential(credential)
        return LatchkeyUser(credential), credential

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for a request without a credential."""
        return self.refuse(NothingSent()).auth_header

    def refuse(self, refusal: Refusal) -> RefusedRequest:
        """Return the exception of a refusal, with the address of the resource's metadata."""
        refusal.resource_metadata = metadata_url(self._server.configuration)
        return RefusedRequest(refusal)

    @property
    def _server(self) -> ResourceServer:
        return self.resource_server or configured_server()


class HasScope(OperationHolderMixin, BasePermission):  # type: ignore[misc]
    """Demand all of these scopes, as in `permission_classes = [HasScope("orders:read")]`."""

    def __init__(self, *scopes: str) -> None:
        """Take the scopes."""
        self.scopes = scopes

    def __call__(self) -> HasScope:
        """Return itself, where the framework makes an instance of a class."""
        return self

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the credential has the scopes; raise the refusal unless another permission may allow it."""
        credential = request.auth if isinstance(request.auth, Credential) else None
        missing = [scope for scope in self.scopes if credential is None or scope not in credential.scopes]
        if credential is not None and not missing:
            return True
        alone = any(permission is self for permission in view.get_permissions())  # and not a part of `HasScope(…) | …`
        for authenticator in request.authenticators if alone else ():
            if isinstance(authenticator, LatchkeyAuthentication):
                raise authenticator.refuse(NothingSent() if credential is None else InsufficientScope(missing))
        return False


def _join(refusal: Refusal, name: str) -> str:
    return ", ".join(value for header, value in refusal.headers if header == name)


def _forget_credential(**_: Any) -> None:
    """Forget the credential of the last request of this thread: the framework has no end of a view to do it at."""
    set_credential(None)


request_started.connect(_forget_credential)
request_finished.connect(_forget_credential)
