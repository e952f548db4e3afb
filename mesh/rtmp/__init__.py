"""RTMP, without I/O."""
