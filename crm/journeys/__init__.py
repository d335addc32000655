"""Journeys: graphs that a player walks, kept inside the player's actor."""
