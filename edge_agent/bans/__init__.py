"""Bans: who is shut out, for how long, who decided it, and where it is held.

``networks.py``  which networks can be banned, and whose they must not touch
``judge.py``     strikes and history to a ban with an end; pure
``store.py``     bans over a restart: SQLite, in a thread of its own
``kernel.py``    bans in the kernel: the agent's end of the helper's socket
``keeper.py``    the one who knows all of them: engine, store and kernel say what it says

The engine counts strikes and drops what is banned; it never bans by itself.
"""
