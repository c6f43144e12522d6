"""The smallest policy that is good, whole and in parts. It holds no test."""

from __future__ import annotations

LISTEN = """
[[listen]]
address = "127.0.0.1:5060"
"""
CLOUD = """
[[upstream]]
name = "cloud"
targets = ["127.0.0.1:5080"]
"""
ACME = """
[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["127.0.0.10:5070"]
caller_ids = ["+12125550100"]
"""
BASE = LISTEN + CLOUD + ACME
