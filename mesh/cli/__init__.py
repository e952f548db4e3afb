"""meshctl's commands."""
