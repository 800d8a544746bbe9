"""Real failures of the database, of Redis and of the clock.

Without the database a request is never allowed: the answer is a 503 within seconds, in the format of the endpoint and
without details. Everything else keeps working, and the server recovers afterwards.
"""
