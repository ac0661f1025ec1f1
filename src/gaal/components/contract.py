"""What an object really offers of the component contract: asked once, when it is loaded."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

CONTRACT_PACKAGES = ("seldon_core.", "gaal.components.seldon_core.")
"""Where the base classes of the contract are defined: in the `seldon_core` package, or here in its stead."""


def implemented(component: object, method: str) -> bool:
    """Whether calling `method` on the component runs code of its own.

    False if there is no such callable, and if it is what SeldonComponent has for methods that nobody wrote, however
    the component got hold of it: by inheritance, by delegation (`__getattr__`), or as an attribute of the instance.
    """
    attribute = getattr(component, method, None)
    return callable(attribute) and not _is_placeholder(attribute)


def is_contract_type(value: object, name: str) -> bool:
    """Whether the value is an instance of the contract's class `name`: of ours, the `seldon_core` package's, or below.

    `is_contract_type(reply, "SeldonResponse")`, `is_contract_type(error, "SeldonMicroserviceException")`.
    """
    return any(base.__name__ == name and _is_of_contract(base) for base in type(value).__mro__)


def accepts_keyword(function: Callable[..., Any], name: str) -> bool:
    """Whether the function takes `name` as a keyword argument. False if it does not show its signature.

    A wrapper that hands on whatever it gets (`**kwargs`) takes what the wrapped function takes; one that lists its own
    parameters takes those, whatever it wraps.
    """
    try:
        parameters = inspect.signature(function, follow_wrapped=False).parameters
    except (TypeError, ValueError):
        return False
    named = parameters.get(name)
    if named is not None and named.kind in (named.POSITIONAL_OR_KEYWORD, named.KEYWORD_ONLY):
        return True
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return False
    wrapped = function.func if isinstance(function, functools.partial) else getattr(function, "__wrapped__", None)
    return wrapped is None or accepts_keyword(wrapped, name)


def _is_placeholder(attribute: Callable[..., Any]) -> bool:
    """Whether this is the very function that a base class of the contract defines."""
    function = getattr(attribute, "__func__", attribute)
    bases = type(getattr(attribute, "__self__", None)).__mro__
    return any(function is own for base in bases if _is_of_contract(base) for own in vars(base).values())


def _is_of_contract(cls: type) -> bool:
    return cls.__module__.startswith(CONTRACT_PACKAGES)
