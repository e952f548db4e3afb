"""The only floor with sockets, tasks, clocks and codec libraries; net/X drives mesh/X."""
