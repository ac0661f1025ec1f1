"""The border between Gaal and the code of its users. Whatever that code raises leaves here as a ComponentError.

The reply names the unit and gives the exception's own words; the traceback goes to the log.
"""

from __future__ import annotations

import logging

from gaal.errors import ComponentError, ComponentRejected, GaalError

logger = logging.getLogger("gaal.components")


def component_error(unit: str, method: str, error: BaseException) -> GaalError:
    """What `error`, raised by a unit's method, means for the caller."""
    if isinstance(error, GaalError):
        return error
    status_code, reason = getattr(error, "status_code", None), getattr(error, "reason", None)
    if isinstance(status_code, int) and isinstance(reason, str):  # a SeldonMicroserviceException, ours or theirs
        logger.info('unit "%s": %s refused: %s', unit, method, error)
        return ComponentRejected(unit, _words(error), status_code, reason)
    logger.error('unit "%s": %s failed', unit, method, exc_info=error)
    return ComponentError(unit, f"{method}: {last_line(error)}")


def last_line(error: BaseException) -> str:
    """The last line of the traceback: the exception's type and its own words."""
    words = str(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _words(error: BaseException) -> str:
    # The original's exception keeps its text in an attribute and prints as nothing.
    return str(getattr(error, "message", "") or error)
