"""The kinds: their formats, their signatures, and what each verifies to from issue to revocation."""
