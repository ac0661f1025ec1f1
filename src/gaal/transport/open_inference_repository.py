"""The repository of V2: which models there are. `transport.repository` changes them."""

from __future__ import annotations

from collections.abc import Sequence

from gaal.executor.context import Context
from gaal.gateway.caller import Caller
from gaal.transport.models import Models

READY, UNAVAILABLE = "READY", "UNAVAILABLE"


async def repository_index(
    models: Models, caller: Caller, only_ready: bool, context: Context
) -> Sequence[dict[str, str]]:
    """Every version of every model that the caller sees, with its state and, where it is not ready, the reason."""
    entries = []
    seen = list(models.seen_by(caller))
    for model in seen:
        for version in model.versions():
            [reason] = (await model.states(version, context)).values()
            state = UNAVAILABLE if reason else READY
            entries.append({"name": model.name, "version": version, "state": state, "reason": reason})
    served = {model.name for model in seen}
    for name in models.repository.names() if caller.scope.allows_loading else ():
        if name not in served:
            entries.append({"name": name, "version": "", "state": UNAVAILABLE, "reason": "unloaded"})
    return [entry for entry in entries if entry["state"] == READY or not only_ready]
