"""From the operator's files to the engine's image: settings, load, compile, swap. Nothing here runs per message."""
