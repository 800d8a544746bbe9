"""The REST API in-process: authorization, reading of requests, and refusals."""
