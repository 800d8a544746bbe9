"""What is managed."""
