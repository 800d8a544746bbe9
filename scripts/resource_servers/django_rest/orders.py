"""An API in Django REST framework that accepts every kind of credential: it verifies JWTs itself, by status list."""

from os import environ

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="unused",  # noqa: S106 - nothing is signed: there are no sessions
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["latchkey_resource_server.drf.LatchkeyAuthentication"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    LATCHKEY={
        "issuer": environ["ISSUER"],
        "resource": environ["RESOURCE"],
        "client_id": environ["CLIENT_ID"],
        "client_secret": environ["CLIENT_SECRET"],
        "verify": "local",
    },
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402 - after the settings
from django.urls import path  # noqa: E402
from latchkey_resource_server.django import configured_server  # noqa: E402
from latchkey_resource_server.drf import HasScope  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Orders(APIView):
    """List the orders; an API key has no subject: it represents nobody."""

    permission_classes = (HasScope("orders:read"),)

    def get(self, request: Request) -> Response:
        """Return them all."""
        return Response({"orders": ["one apple"], "holder": request.auth.subject})


urlpatterns = [path("orders", Orders.as_view()), *configured_server().urls]
application = get_asgi_application()
