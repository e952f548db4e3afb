"""Where ingest ends and egress begins."""
