"""What the agent knows about its upstreams beyond the configuration: whether their targets live."""
