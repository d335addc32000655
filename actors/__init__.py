"""The shell: the actor runtime, its hosts, the tower's coordinator and what supervises them."""
