"""What is done with a token."""
