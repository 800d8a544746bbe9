"""SCIM: what the tools for conformance ask, what Okta and Entra send, and what attackers send."""
