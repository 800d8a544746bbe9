"""The nouns that are managed: resources, roles, users, clients and their secrets, tokens, API keys, signing keys.

A module for each noun: its records, whose fields carry their constraints (fields.py), and its actions. An action is one
transaction with one audit event.
"""
