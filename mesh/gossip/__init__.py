"""Who is alive and what they carry, without I/O."""
