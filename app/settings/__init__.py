"""Settings from the environment (LATCHKEY_…) and instance/latchkey.toml, and the secret key that a node keeps."""
