"""Edge agent: a screening SIP proxy for SBC hosts.

The compiled engine is ``edge_agent._hot``; everything else is the control
plane around it. Importing this package loads neither.
"""

__version__ = "0.1.0"
