"""The UA sidecar: pjsua2 as a SIP user agent in a process of its own.

The wheel aborts its process on a failed assertion and bundles an old OpenSSL,
so nothing of it is ever loaded by the daemon: ``client.py`` runs beside asyncio
and speaks JSON lines with a child process, ``agent.py`` is that child. It places
and answers calls of our own (tests, canaries) and never faces untrusted traffic.
"""
