"""The three kinds, side by side, and the signing keys. A kind never knows another kind."""
