"""The fast lane answers byte by byte like Flask, and never with a result older than the last commit."""
