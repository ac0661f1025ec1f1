"""What an object really offers of the component contract."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import pytest

from gaal.components.contract import accepts_keyword, implemented, is_contract_type
from gaal.components.seldon_core.flask_utils import SeldonMicroserviceException
from gaal.components.seldon_core.user_model import SeldonComponent, SeldonNotImplementedError, SeldonResponse

CONTRACT = [name for name in vars(SeldonComponent) if not name.startswith("_")]


class Doubler(SeldonComponent):
    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:
        return X * 2


class Plain:
    route = None

    def predict(self, X: Any, names: Any) -> Any:
        return X


class Delegating:
    def __init__(self, to: object) -> None:
        self._to = to

    def __getattr__(self, name: str) -> Any:
        return getattr(self._to, name)


@pytest.mark.parametrize("method", CONTRACT)
def test_nothing_that_is_merely_inherited_is_implemented(method: str) -> None:
    assert not implemented(SeldonComponent(), method)
    assert implemented(Doubler(), method) == (method == "predict")


def test_a_base_class_of_the_users_own_counts() -> None:
    class Tripler(Doubler):
        pass

    assert implemented(Tripler(), "predict")


def test_a_plain_class_implements_what_it_has() -> None:
    assert implemented(Plain(), "predict")
    assert not implemented(Plain(), "aggregate")


def test_a_method_written_in_c_counts() -> None:
    class Compiled(SeldonComponent):
        aggregate = len  # type: ignore[assignment]

    assert implemented([], "append")
    assert implemented(Compiled(), "aggregate")


def test_an_attribute_that_cannot_be_called_is_no_method() -> None:
    assert not implemented(Plain(), "route")


def test_delegation_is_looked_through() -> None:
    assert implemented(Delegating(Doubler()), "predict")
    assert implemented(Delegating(Delegating(Doubler())), "predict")
    assert not implemented(Delegating(Doubler()), "route")
    assert not implemented(Delegating(Plain()), "aggregate")


def test_callables_set_on_the_instance_count() -> None:
    component: Any = SeldonComponent()
    component.predict = len
    component.route = Doubler().predict
    component.aggregate = MethodType(lambda self, features, names: features[0], component)
    component.tags = SeldonComponent().tags
    assert [implemented(component, method) for method in ("predict", "route", "aggregate")] == [True, True, True]
    assert not implemented(component, "tags")


def test_an_override_that_borrows_the_base_methods_metadata_counts() -> None:
    class Documented(SeldonComponent):
        @functools.wraps(SeldonComponent.predict)
        def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # type: ignore[override]
            return X

    assert implemented(Documented(), "predict")


def test_static_class_and_async_methods_count() -> None:
    class Various(SeldonComponent):
        @staticmethod
        def predict(X: Any, names: Any) -> Any:  # type: ignore[override]
            return X

        @classmethod
        def route(cls, features: Any, feature_names: Any) -> int:  # type: ignore[override]
            return 0

        async def aggregate(self, features_list: Any, feature_names_list: Any) -> Any:
            return features_list[0]

    assert [implemented(Various(), method) for method in ("predict", "route", "aggregate")] == [True, True, True]


@pytest.fixture
def real_component(tmp_path: Path) -> Iterator[type]:
    """A SeldonComponent of an installed `seldon_core`, whose base class defines every method."""
    (tmp_path / "seldon_core").mkdir()
    (tmp_path / "seldon_core" / "__init__.py").touch()
    (tmp_path / "seldon_core" / "user_model.py").write_text(
        "class SeldonComponent:\n    def predict(self, X, names, meta=None): raise NotImplementedError\n"
        "class SeldonResponse: pass\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        from seldon_core.user_model import SeldonComponent as Real  # type: ignore[import-not-found, unused-ignore]

        yield Real
    finally:
        sys.path.remove(str(tmp_path))
        for name in [name for name in sys.modules if name.partition(".")[0] == "seldon_core"]:
            del sys.modules[name]


def test_what_the_installed_packages_base_class_has_is_not_implemented(real_component: type) -> None:
    class Own(real_component):  # type: ignore[misc]
        def route(self, features: Any, feature_names: Any) -> int:
            return 0

    assert not implemented(Own(), "predict")
    assert implemented(Own(), "route")


def test_types_of_the_installed_package_are_contract_types(real_component: type) -> None:
    response = sys.modules["seldon_core.user_model"].SeldonResponse()
    assert is_contract_type(response, "SeldonResponse")
    assert is_contract_type(real_component(), "SeldonComponent")


def test_contract_types_are_known_by_name_and_origin() -> None:
    class Mine(SeldonMicroserviceException):
        pass

    class SeldonLookalike:
        pass

    SeldonLookalike.__name__ = "SeldonResponse"
    assert is_contract_type(SeldonResponse(1), "SeldonResponse")
    assert is_contract_type(Mine("no"), "SeldonMicroserviceException")
    assert is_contract_type(SeldonNotImplementedError("no"), "SeldonMicroserviceException")
    assert not is_contract_type(SeldonLookalike(), "SeldonResponse")
    assert not is_contract_type(np.zeros(1), "SeldonResponse")


def plain(X: Any, names: Any) -> Any: ...
def with_meta(X: Any, names: Any, meta: Any = None) -> Any: ...
def with_only_meta_by_position(meta: Any, /) -> Any: ...
def with_anything(X: Any, **others: Any) -> Any: ...
def with_rest(X: Any, *meta: Any) -> Any: ...


def handing_on(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def narrowing(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(X: Any, names: Any) -> Any:
        return function(X, names)

    return wrapper


def widening(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(X: Any, names: Any, meta: Any = None) -> Any:
        return function(X, names)

    return wrapper


class Callee:
    def __call__(self, X: Any, names: Any, meta: Any = None) -> Any: ...


@pytest.mark.parametrize(
    ("function", "takes_meta"),
    [
        (plain, False),
        (with_meta, True),
        (with_only_meta_by_position, False),
        (with_anything, True),
        (with_rest, False),
        (Doubler().predict, True),
        (Plain().predict, False),
        (Callee(), True),
        (functools.partial(with_meta, names=()), True),
        (functools.partial(plain, names=()), False),
        (functools.partial(with_meta, 1, (), None), False),
        (handing_on(with_meta), True),
        (handing_on(plain), False),
        (handing_on(handing_on(with_meta)), True),
        (functools.partial(handing_on(plain), 1), False),
        (functools.partial(handing_on(with_meta), 1), True),
        (narrowing(with_meta), False),
        (widening(plain), True),
        (np.add, False),
        (dict.fromkeys, False),
        (print, False),
        (min, False),
    ],
)
def test_a_keyword_is_accepted_if_the_call_would_go_through(function: Callable[..., Any], takes_meta: bool) -> None:
    assert accepts_keyword(function, "meta") == takes_meta
