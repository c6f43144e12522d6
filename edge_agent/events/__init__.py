"""From the engine's event ring to records that people and programs read.

``record.py`` turns an event into a flat, clean record; ``log.py`` writes lines;
``verdicts.py`` drains the ring, holds the caps and sums what they hid;
``notice.py`` makes notifications of emergency calls, ``webhook.py`` sends them.
"""
