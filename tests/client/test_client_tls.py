"""Both clients over TLS: whom they trust, and how they show who they are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import trustme
from asking import CLIENTS, ask
from serving import Serve

from gaal.client import AsyncClient, Client, errors

ECHO = "class Model:\n    def predict(self, X, names): return X\n"


class Certificates:
    """An authority, and what it has signed, as files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.server_cert, self.server_key = self._issue(authority, folder / "server", "127.0.0.1")
        self.client_cert, self.client_key = self._issue(authority, folder / "client", "client.example")

    @staticmethod
    def _issue(authority: trustme.CA, path: Path, name: str) -> tuple[Path, Path]:
        issued = authority.issue_cert(name)
        cert, key = path.with_suffix(".pem"), path.with_suffix(".key")
        cert.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return cert, key


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


kinds = pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.__name__)
transports = pytest.mark.parametrize("transport", ["rest", "grpc"])


@kinds
@transports
async def test_who_trusts_the_authority_is_answered(
    kind: type[Client | AsyncClient], transport: Literal["rest", "grpc"], serve: Serve, certificates: Certificates
) -> None:
    server = await serve(ECHO, tls_cert=certificates.server_cert, tls_key=certificates.server_key)
    client = kind(f"https://{server.address}", transport=transport, tls_ca=certificates.ca)

    assert (await ask(client, "predict", "x")).data == "x"
    await ask(client, "close")


@kinds
@transports
async def test_a_stranger_is_not_trusted_and_not_asked_twice(
    kind: type[Client | AsyncClient], transport: Literal["rest", "grpc"], serve: Serve, certificates: Certificates
) -> None:
    server = await serve(ECHO, tls_cert=certificates.server_cert, tls_key=certificates.server_key)
    client = kind(f"https://{server.address}", transport=transport)

    with pytest.raises(errors.Unavailable, match=r"(?i)certificate.verify.failed") as caught:
        await ask(client, "predict", "x")
    await ask(client, "close")
    assert not caught.value.never_arrived


@kinds
@transports
async def test_a_client_shows_its_certificate(
    kind: type[Client | AsyncClient], transport: Literal["rest", "grpc"], serve: Serve, certificates: Certificates
) -> None:
    server = await serve(
        ECHO,
        tls_cert=certificates.server_cert,
        tls_key=certificates.server_key,
        tls_client_ca=certificates.ca,
    )
    url = f"https://{server.address}"
    known = kind(
        url,
        transport=transport,
        tls_ca=certificates.ca,
        tls_cert=certificates.client_cert,
        tls_key=certificates.client_key,
    )
    unknown = kind(url, transport=transport, tls_ca=certificates.ca, n_retries=0)

    assert (await ask(known, "predict", "x")).data == "x"
    with pytest.raises(errors.Unavailable):
        await ask(unknown, "predict", "x")
    for client in (known, unknown):
        await ask(client, "close")
