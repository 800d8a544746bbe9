"""What keeps a server running and seen: parts, health, metrics, logging, rate limits. Below the faces, above the actions."""
