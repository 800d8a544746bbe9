"""Mechanisms without a kind: opaque strings, signing and sealing, certificates, DPoP proofs, nonces."""
