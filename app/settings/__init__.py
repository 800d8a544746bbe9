"""Settings from the environment and instance/latchkey.toml; the kept secret key."""
