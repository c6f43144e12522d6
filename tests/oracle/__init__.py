"""The plain twin of the engine: slow, short, and written from the RFCs.

``uri`` and ``message`` read the grammar, ``numbers`` the numbering rules and the
emergency forms, ``tables`` the limiter and the text match. Tests hold the
engine against it. It never imports the engine and never tries to be fast.
"""
