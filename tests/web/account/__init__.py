"""What users manage about themselves: sign-in, profile, tokens."""
