"""What a base URL, a deployment and a namespace come to; and which settings a client cannot have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gaal.client import Client
from gaal.client.address import address_of
from gaal.errors import MessageError, SettingsError


@pytest.mark.parametrize(
    ("given", "origin", "prefix"),
    [
        (("http://h:8000",), "http://h:8000", ""),
        (("h:8000",), "http://h:8000", ""),
        (("http://h",), "http://h:80", ""),
        (("https://h/",), "https://h:443", ""),
        (("http://[::1]:9",), "http://[::1]:9", ""),
        (("https://h/gateway/",), "https://h:443", "/gateway"),
        (("http://h:1", "iris", "models"), "http://h:1", "/seldon/models/iris"),
        (("http://h:1", "iris"), "http://h:1", "/seldon/iris"),
        (("http://h:1/base", "iris", "models"), "http://h:1", "/base/seldon/models/iris"),
        (("http://h:1/seldon/models/iris/",), "http://h:1", "/seldon/models/iris"),
        (("http://h:1/seldon/iris",), "http://h:1", "/seldon/iris"),
        (("http://h:1/a b/ü%20",), "http://h:1", "/a%20b/%C3%BC%20"),
        (("http://bücher.example:1",), "http://xn--bcher-kva.example:1", ""),
    ],
)
def test_a_url_and_names_give_an_origin_and_a_prefix(given: tuple[str, ...], origin: str, prefix: str) -> None:
    address = address_of(*given)

    assert (address.origin, address.prefix) == (origin, prefix)


def test_a_url_that_names_a_deployment_names_it_for_grpc_too() -> None:
    address = address_of("http://h:1/seldon/models/iris")

    assert (address.namespace, address.deployment) == ("models", "iris")


def test_an_explainer_stands_beside_its_deployment() -> None:
    address = address_of("http://h:1", "iris", "models")

    assert address.explainer_prefix("main") == "/seldon/models/iris-explainer/main"


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("10.0.0.1", False), ("example.com", False)],
)
def test_this_machine_is_known_by_each_of_its_names(host: str, is_loopback: bool) -> None:
    assert address_of(f"http://{host}:1").is_loopback is is_loopback


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": ""}, "url"),
        ({"url": "ftp://h"}, "url"),
        ({"url": "http://h:99999"}, "url"),
        ({"url": "http://h:x"}, "url"),
        ({"url": "http://[::1"}, "url"),
        ({"url": "http://a..b"}, "url"),
        ({"url": "http://h/?a=b"}, "url"),
        ({"namespace": "models"}, "namespace"),
        ({"url": "http://h/seldon/a/b", "deployment": "c"}, "deployment"),
        ({"transport": "carrier pigeon"}, "transport"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"n_retries": -1}, "n_retries"),
        ({"max_reply_bytes": 0}, "max_reply_bytes"),
        ({"headers": {"a b": "c"}}, "headers"),
        ({"url": "https://h", "tls_ca": "missing.pem"}, "tls_ca"),
        ({"tls_ca": __file__}, "tls_ca: must not be given for a URL without https"),
        ({"url": "https://h", "tls_cert": Path(__file__)}, "tls_key"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Client(**{"url": "http://h:1", **settings})


def test_a_file_that_is_no_certificate_is_named_before_the_first_call() -> None:
    with pytest.raises(SettingsError, match="tls_ca: must be PEM"):
        Client("https://h", tls_ca=__file__)
    with pytest.raises(SettingsError, match="tls_cert, tls_key: must be PEM"):
        Client("https://h", tls_cert=__file__, tls_key=__file__)


def test_a_secret_is_not_shown() -> None:
    for settings in ({"token": "s3cret\nx"}, {"headers": {"x-key": "s3cret\r\n"}}):
        with pytest.raises(SettingsError) as caught:
            Client("http://h:1", **settings)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        Client("http://user:s3cret@h:1")
    assert "s3cret" not in str(caught.value)


def test_a_secret_is_in_no_repr() -> None:
    client = Client("http://h:1", token="s3cret")

    assert "s3cret" not in f"{client!r} {vars(client)!r} {client._calls.graph_metadata()!r}"


def test_the_explainer_of_a_deployment_needs_the_predictors_name() -> None:
    with pytest.raises(MessageError, match="predictor"):
        Client("http://h:1", deployment="iris").explain([[1.0]])
    with pytest.raises(MessageError, match="REST only"):
        Client("http://h:1", transport="grpc").explain([[1.0]])
