"""Fetching a log from another node, without I/O."""
