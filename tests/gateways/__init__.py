"""The recipes of scripts/gateways/, each in its real program in front of a small API."""
