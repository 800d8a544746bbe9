"""Django for this process, without a database: the settings of a small API, and its URLs, which a test sets."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import django
from django.conf import settings
from django.test import override_settings

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "testserver", "api.example"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["app.resource_server.drf.LatchkeyAuthentication"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    SECRET_KEY="unused",
)
django.setup()


@contextmanager
def project(*patterns: Any, **changed: Any) -> Iterator[None]:
    """Use these URL patterns and settings."""
    urls = ModuleType("urls")
    urls.urlpatterns = list(patterns)  # type: ignore[attr-defined]
    with override_settings(ROOT_URLCONF=urls, **changed):
        yield
