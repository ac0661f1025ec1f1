"""The wire formats, as pure functions bytes ⇄ `messages`. Nothing in here does any input or output of its own."""
