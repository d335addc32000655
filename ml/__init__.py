"""Models: features, scores, tone, patterns. What runs in a turn is pure; training and evaluation are apart."""
