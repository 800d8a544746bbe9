"""What `scripts/fuzz` is made of. Its law: whatever it finds can be found again, from a seed or from a file."""
