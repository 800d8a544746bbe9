"""The REST API in-process: who is let in, what is read, how it refuses."""
