"""Mediamesh: a live-streaming cluster with no centre."""
