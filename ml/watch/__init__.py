"""What matters: volumes unlike any week, numbers that drift from what a model learnt, scores that come true."""
