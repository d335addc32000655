"""Draws that anyone can check: committed to before, revealed after (docs/gamification/fairness.md)."""
