"""app/resource_server/: somebody else's API, which accepts all three kinds of credential."""
