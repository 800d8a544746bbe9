"""Rate limits: their windows, their storage (database or Redis), and bounds on costly work."""
