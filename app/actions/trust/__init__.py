"""Other people's keys: registered and fetched JWK sets, certificates, token issuers and subject patterns."""
