"""The helper that holds the bans in the kernel: a process of its own, and the only one with CAP_NET_ADMIN.

``protocol.py``  what agent and helper say to each other; reads nothing that it can't name
``ruleset.py``   the table as nftables' JSON, to the kernel and back; pure
``content.py``   what the kernel should hold, and what must change; pure
``helper.py``    the process: socket, batches, reading back, repair

It parses no SIP. What parses hostile bytes is another process, which holds no
capability and can only ask for a ban of a network, or its end.
"""
