"""Where should this client go? Pure functions over the tables."""
