"""What is managed: resources, roles, users, clients, their secrets, personal access tokens, API keys, signing keys."""
