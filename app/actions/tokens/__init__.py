"""What is done with a token: issue, exchange, verify, inspect, revoke, report a leak, record its use."""
