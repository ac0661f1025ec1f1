"""The worker that `gateway/test_many_clients.py` runs: a server that asks for tokens, over the store of its folder.

Each reply tells which worker made it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from guarded import guarded_app
from serving import COMPONENTS, ONE_MODEL

from gaal.gateway.accounts import Accounts
from gaal.gateway.issuer import TokenIssuer
from gaal.gateway.limits import SharedLimits
from gaal.storage.changes import ChangeFeed
from gaal.storage.store import locate, open_store
from gaal.transport.server import serve
from gaal.transport.worker import WorkerContext

TELL_PID = """
import os

class Model:
    def predict(self, X, names=None, meta=None):
        return [[os.getpid()]]
"""


async def worker(context: WorkerContext) -> None:
    settings = context.settings
    async with AsyncExitStack() as stack:
        store = stack.enter_context(open_store(locate(None, settings.data_dir, {})))
        feed = ChangeFeed(store)
        await feed.start()
        stack.push_async_callback(feed.close)
        accounts = Accounts(SharedLimits(context.limits_file, context.slot, context.n_slots))
        await accounts.attach(store, feed)
        (settings.app_dir / f"{COMPONENTS}.py").write_text(TELL_PID)
        app = await guarded_app(stack, ONE_MODEL, settings, accounts, TokenIssuer(accounts, settings.token_lifetime_s))
        await serve(app, context)
