"""A host of client metadata documents on loopback, with TLS and a certificate of its own making."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.api import Json

ADDRESS = "127.0.0.1"


class DocumentHost:
    """Hosts documents by their paths; trust `certificate` to fetch them."""

    def __init__(self, certificate: Path, port: int) -> None:
        """Host nothing yet."""
        self.certificate = certificate
        self.documents: dict[str, Json] = {}
        self._url = f"https://{ADDRESS}:{port}"

    def publish(self, path: str, **metadata: object) -> str:
        """Host a document about an app; return its URL, which is the client_id."""
        url = self._url + path
        self.documents[path] = {"client_id": url, **metadata}
        return url


@contextmanager
def hosting(folder: Path) -> Iterator[DocumentHost]:
    """Start a host; its certificate is kept in the folder."""
    held: list[DocumentHost] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = held[0].documents.get(self.path)
            body = json.dumps(document).encode()
            self.send_response(200 if document else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    certificate, key = make_certificate(folder)
    server = ThreadingHTTPServer((ADDRESS, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    held.append(DocumentHost(certificate, server.server_port))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield held[0]
    server.shutdown()
    server.server_close()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of loopback that signs itself, and its key, into the folder; return their files."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ADDRESS)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address(ADDRESS))])
    made = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, secret
