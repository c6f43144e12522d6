"""``python -m edge_agent.nft``: the same as ``edge-agent nft-helper``. Holds no option of its own."""

from __future__ import annotations

import sys

from edge_agent.cli import commands

if __name__ == "__main__":
    commands(["nft-helper", *sys.argv[1:]], prog_name="edge-agent")
