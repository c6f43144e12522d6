"""``python -m edge_agent`` and the console script: runs the commands and turns a bug into exit 3.

Never decides anything itself; the commands are in ``cli.py``.
"""

from __future__ import annotations

import sys
import traceback


def main() -> None:
    """Exit 0 good, 1 the operator's input is bad, 2 usage, 3 internal."""
    from edge_agent.cli import commands

    try:
        commands(prog_name="edge-agent")
    except Exception:  # noqa: BLE001 - whatever it is, it is ours, and has its own exit code
        traceback.print_exc()
        print("edge-agent: internal error, see above; please report it", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
