"""Do-not-call requests: who asked not to be called, as commands say it, kept for five years. It decides about no call."""
