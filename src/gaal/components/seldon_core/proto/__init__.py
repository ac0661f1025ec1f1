"""The generated modules of the protocol, as components import them."""

__all__: list[str] = []
