"""JSON Web Tokens of another issuer, with real keys that a real server hands out."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from guarded import Guard, add_client

from gaal.errors import PermissionDenied, SettingsError, Unauthenticated, Unavailable
from gaal.gateway.jwt_tokens import FETCH_PAUSE_S, KEYS_LAST_S, IssuerTokens
from gaal.storage.records import Client

ISSUER, AUDIENCE = "https://login.example.com/", "gaal"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = rsa.generate_private_key(65537, 2048)


def jwk(key: Any, kid: str, **more: str) -> dict[str, Any]:
    algorithm = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256"}
    name = next((name for kind, name in algorithm.items() if isinstance(key, kind)), "EdDSA")
    made = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True)
    return {**made, "kid": kid, **more}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Issuer:
    """A server with a JSON Web Key Set. `keys` may change; `n_asked` is how often it was asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [jwk(RSA, "rsa"), jwk(EC, "ec"), jwk(ED, "ed")]
        self.n_asked = 0
        self.body: bytes | None = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.n_asked += 1
                body = issuer.body if issuer.body is not None else json.dumps({"keys": issuer.keys}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.clock = Clock()

    @property
    def tokens(self) -> IssuerTokens:
        return IssuerTokens(ISSUER, AUDIENCE, f"http://127.0.0.1:{self.server.server_port}/keys", self.clock)


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setenv("no_proxy", "*")
    made = Issuer()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


def signed(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", **claims: Any) -> str:
    now = time.time()
    made = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 60, "client": "test", **claims}
    made = {name: value for name, value in made.items() if value is not None}
    return jwt.encode(made, key, algorithm, headers={"kid": kid} if kid else {})


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA, "RS256", "rsa"), (RSA, "PS384", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed"), (EC, "ES256", None)],
)
async def test_a_signed_token_names_a_client(issuer: Issuer, key: Any, algorithm: str, kid: str | None) -> None:
    identity = await issuer.tokens.verify(signed(key, algorithm, kid))

    assert (identity.client, str(identity.scope)) == ("test", "all")
    assert identity.expires_at == pytest.approx(time.time() + 60, abs=5)


@pytest.mark.parametrize(
    ("claims", "client"),
    [
        ({"client": "a", "client_id": "b", "azp": "c", "sub": "d"}, "a"),
        ({"client": None, "client_id": "b", "azp": "c", "sub": "d"}, "b"),
        ({"client": None, "azp": "c", "sub": "d"}, "c"),
        ({"client": None, "sub": "d"}, "d"),
    ],
)
async def test_the_first_claim_that_is_there_names_the_client(
    issuer: Issuer, claims: dict[str, str], client: str
) -> None:
    assert (await issuer.tokens.verify(signed(**claims))).client == client


@pytest.mark.parametrize(
    ("scope", "granted"),
    [("openid readonly", "readonly"), (["deployment:a/b", 7], "deployment:a/b"), ("all profile", "all")],
)
async def test_words_of_the_scope_that_are_known_count(issuer: Issuer, scope: Any, granted: str) -> None:
    assert str((await issuer.tokens.verify(signed(scope=scope))).scope) == granted


async def test_a_scope_without_any_known_word_grants_nothing(issuer: Issuer) -> None:
    with pytest.raises(PermissionDenied):
        await issuer.tokens.verify(signed(scope="openid profile"))


def unsigned() -> str:
    return jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "exp": 9e9, "client": "test"}, None, "none")  # type: ignore[arg-type]


def with_the_public_key_as_a_shared_secret() -> str:
    """The oldest trick: the verifier takes the public key, which everybody has, for an HMAC's."""
    public = json.dumps(jwk(RSA, "rsa")).encode()
    parts = [{"alg": "HS256", "kid": "rsa"}, {"iss": ISSUER, "aud": AUDIENCE, "exp": 9e9, "client": "test"}]
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")
    return b".".join([signed, signature]).decode()


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (lambda: signed(exp=time.time() - 1), "TOKEN_EXPIRED"),
        (lambda: signed(exp=None), "TOKEN_UNKNOWN"),
        (lambda: signed(nbf=time.time() + 60), "TOKEN_UNKNOWN"),
        (lambda: signed(iss="https://other.example.com/"), "TOKEN_UNKNOWN"),
        (lambda: signed(iss=None), "TOKEN_UNKNOWN"),
        (lambda: signed(aud="other"), "TOKEN_UNKNOWN"),
        (lambda: signed(aud=None), "TOKEN_UNKNOWN"),
        (lambda: signed(client=None), "TOKEN_UNKNOWN"),
        (lambda: signed(STRANGER), "TOKEN_UNKNOWN"),
        (lambda: signed(kid="nobody"), "TOKEN_UNKNOWN"),
        (lambda: signed(EC, "ES256", "rsa"), "TOKEN_UNKNOWN"),
        (unsigned, "TOKEN_UNKNOWN"),
        (with_the_public_key_as_a_shared_secret, "TOKEN_UNKNOWN"),
        (lambda: "a.b.c", "TOKEN_UNKNOWN"),
        (lambda: "..", "TOKEN_UNKNOWN"),
        (lambda: signed()[:-4], "TOKEN_UNKNOWN"),
        (lambda: signed(more="x" * 20_000), "TOKEN_UNKNOWN"),
    ],
)
async def test_every_other_token_is_refused(issuer: Issuer, token: Callable[[], str], reason: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await issuer.tokens.verify(token())

    assert refused.value.reason == reason


async def test_keys_are_fetched_once_and_again_for_an_unknown_one_at_most_once_in_a_while(issuer: Issuer) -> None:
    tokens = issuer.tokens
    for _ in range(3):
        await tokens.verify(signed())
    assert issuer.n_asked == 1

    issuer.keys.append(jwk(STRANGER, "new"))
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await tokens.verify(signed(STRANGER, kid="new"))
    assert issuer.n_asked == 1
    issuer.clock.now += FETCH_PAUSE_S
    assert (await tokens.verify(signed(STRANGER, kid="new"))).client == "test"
    assert issuer.n_asked == 2


async def test_a_key_that_was_withdrawn_does_not_count_for_ever(issuer: Issuer) -> None:
    tokens = issuer.tokens
    await tokens.verify(signed())
    issuer.keys = issuer.keys[1:]
    issuer.clock.now += KEYS_LAST_S + 1

    with pytest.raises(Unauthenticated):
        await tokens.verify(signed())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"x" * 2_000_000, b'{"keys": [{"kty": "oct", "k": "AA"}, 7]}'])
async def test_an_issuer_without_usable_keys_is_unavailable(issuer: Issuer, body: bytes) -> None:
    issuer.body = body

    with pytest.raises(Unavailable):
        await issuer.tokens.verify(signed())


async def test_keys_from_before_go_on_while_the_issuer_is_gone(issuer: Issuer) -> None:
    tokens = issuer.tokens
    await tokens.verify(signed())
    issuer.body = b"broken"
    issuer.clock.now += KEYS_LAST_S + 1

    assert (await tokens.verify(signed())).client == "test"


def test_keys_come_over_http_alone() -> None:
    with pytest.raises(SettingsError, match="http or https"):
        IssuerTokens(ISSUER, AUDIENCE, "file:///etc/passwd")


async def test_a_server_takes_them_for_clients_that_it_has(issuer: Issuer, guard: Guard) -> None:
    guarded = await guard(verifier=issuer.tokens)
    token = signed()
    assert (await guarded.predict(token)).status_code == 401

    add_client(guarded.store)

    assert (await guarded.predict(token)).status_code == 200
    assert guarded.accounts.known(token.encode()) is not None
    assert (await guarded.predict(signed(scope="readonly"))).status_code == 403
    guarded.store.clients.update(Client("test", disabled=True))
    await guarded.accounts.refresh_clients()
    assert (await guarded.predict(token)).status_code == 401
