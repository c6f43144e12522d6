"""``python -m edge_agent.ua``: one user agent on one address, commands on stdin, events on stdout."""

from __future__ import annotations

import argparse
import json
import os
import sys


def main() -> int:
    ask = argparse.ArgumentParser(prog="python -m edge_agent.ua", description=__doc__)
    ask.add_argument("--address", default="127.0.0.1", help="the local IP address for signalling and media")
    ask.add_argument("--port", type=int, required=True, help="the UDP port for signalling")
    ask.add_argument("--media-port", type=int, required=True, help="the first of 100 UDP ports for media")
    given = ask.parse_args()
    # The library prints to stdout before any of its log settings exist. Its
    # output goes to stderr, the lines keep the descriptor to themselves.
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        from edge_agent.ua.agent import serve
    except ImportError as missing:
        print(json.dumps({"event": "fatal", "error": f"{missing}; it comes with the extra 'ua'"}), file=lines)
        return 3
    return serve(given.address, given.port, given.media_port, lines)


if __name__ == "__main__":
    sys.exit(main())
