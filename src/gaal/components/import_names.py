"""Answers `import seldon_core` with Gaal's modules, where no package of that name is installed.

`install` puts a finder at the end of `sys.meta_path`: it is asked last, so an installed `seldon_core` always wins. The
two never mix. Below a package that Gaal answered with, nothing is looked for on `sys.path`; below an installed one,
Gaal answers nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

OFFERED = {
    "seldon_core": "gaal.components.seldon_core",
    "seldon_core.flask_utils": "gaal.components.seldon_core.flask_utils",
    "seldon_core.metrics": "gaal.components.seldon_core.metrics",
    "seldon_core.proto": "gaal.components.seldon_core.proto",
    "seldon_core.proto.prediction_pb2": "gaal.components.seldon_core.proto.prediction_pb2",
    "seldon_core.storage": "gaal.components.seldon_core.storage",
    "seldon_core.user_model": "gaal.components.seldon_core.user_model",
    "seldon_core.utils": "gaal.components.seldon_core.utils",
}
"""The modules that can be imported, and the one of Gaal's that each shows the names of."""


def install() -> None:
    """From now on, `seldon_core` can be imported. Calling it again changes nothing."""
    if not any(isinstance(finder, NameFinder) for finder in sys.meta_path):
        sys.meta_path.append(NameFinder())


class NameFinder(MetaPathFinder):
    """Finds the modules in OFFERED; for any other below `seldon_core`, says which there are."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, _ = fullname.rpartition(".")
        if fullname != "seldon_core" and not _is_ours(parent):
            return None
        if fullname in OFFERED:
            # Each is a package with nowhere to look for submodules. So `sys.path` is never searched below it, and
            # `from seldon_core.utils import nonsense` comes back here to be told what there is.
            return ModuleSpec(fullname, NameLoader(), origin=OFFERED[fullname], is_package=True)
        # Without `name=fullname`: the import statement would put a text of its own in place of this one.
        raise ModuleNotFoundError(_not_offered(fullname))


class NameLoader(Loader):
    """Fills a module with the public names of the module of Gaal's that stands behind it."""

    def exec_module(self, module: ModuleType) -> None:
        behind = import_module(OFFERED[module.__name__])
        module.__doc__ = behind.__doc__
        for name in behind.__all__:
            setattr(module, name, getattr(behind, name))
        vars(module).update(__all__=behind.__all__, __getattr__=_no_such_name_in(module.__name__))


def _is_ours(module: str) -> bool:
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return isinstance(getattr(spec, "loader", None), NameLoader)


def _no_such_name_in(module: str) -> object:
    def no_such_name(name: str) -> object:
        raise AttributeError(_not_offered(f"{module}.{name}"))

    return no_such_name


def _not_offered(fullname: str) -> str:
    module, _, _ = fullname.rpartition(".")
    parents_and_names = [offered.rpartition(".")[::2] for offered in OFFERED]
    submodules = [name for parent, name in parents_and_names if parent == module]
    names = sorted({*getattr(sys.modules[module], "__all__", ()), *submodules})
    return f"Gaal has no {fullname}; {module} offers {', '.join(names)}"
