"""Load for any server, and what it makes of it: players and publishers by the thousand."""
