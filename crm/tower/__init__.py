"""The control tower: what may reach a player, when, by which channel, and why (not)."""
