"""Settings from the environment and files, and the kept secret key."""
