"""What turns tell the tower."""
