"""Pure rules of points, missions, achievements and levels: (rules, snapshot, entry) -> Step. No clock, no I/O."""
