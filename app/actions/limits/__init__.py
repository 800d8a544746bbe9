"""Rate limits: windows, storage (database or Redis), limits against abuse and on concurrent costly work."""
