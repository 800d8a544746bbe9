"""app/resource_server.py: an API of somebody else, that accepts all three kinds."""
