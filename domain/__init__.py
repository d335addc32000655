"""Words shared by every room: entries, snapshots, effects, intents, conditions. Values only."""
