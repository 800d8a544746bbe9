"""The kinds of credential, side by side. No kind knows another; what all of them are is in `kind.py`."""
