"""The names that code written for the `seldon_core` package imports, over what Gaal has.

A component says `from seldon_core.user_model import SeldonComponent`; where that package is not installed,
`components/import_names.py` answers the import with the modules of this folder. Only names that components use are
here. `__all__` of each module is what it offers, and is all that an importer gets to see.
"""

from __future__ import annotations

from gaal.components.seldon_core.storage import Storage

__all__ = ["Storage", "__version__"]

__version__ = "1.18.2"
"""The version whose names and meanings are kept here. Gaal's own is `gaal.__version__`."""
