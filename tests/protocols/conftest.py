"""Examples that hypothesis makes may take their time: the first one builds the descriptor pool."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")
