"""Numbering plans and emergency numbers out of phonenumbers' metadata, read when a policy is built."""
