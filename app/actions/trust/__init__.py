"""The keys of others: registered and fetched JWK sets, certificates, token issuers and subject patterns."""
