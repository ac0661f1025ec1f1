"""Lists of items that Seldon Server keeps in memcached, for a recommender to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gaal.errors import MessageError

TIMEOUT_S = 1.0


class Memcached:
    """Reads from servers such as `one:11211,other:11211`, with at most `pool_size` connections to each.

    Raises ImportError where the package pymemcache is not installed.
    """

    def __init__(self, servers: str, pool_size: int = 2) -> None:
        from pymemcache.client.hash import HashClient

        self._client: Any = HashClient(
            [each.strip() for each in servers.split(",")],
            use_pooling=True,
            max_pool_size=pool_size,
            connect_timeout=TIMEOUT_S,
            timeout=TIMEOUT_S,
        )

    def items(self, key: str) -> Sequence[int]:
        """The list at a key, empty where there is none. Raises MessageError for what cannot be a key."""
        from pymemcache.exceptions import MemcacheIllegalInputError

        try:
            text = self._client.get(key)
        except MemcacheIllegalInputError:
            raise MessageError(f"data_key: up to 250 visible ASCII characters are needed, got {key[:50]!r}") from None
        items: list[int] = orjson.loads(text) if text else []
        return items

    def close(self) -> None:
        self._client.close()
