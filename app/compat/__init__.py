"""Every private name of a library that we use: one file per library, with the version that it is bound to.

tests/compat/ checks that each of these names still exists. Hooks that a library documents although their name begins
with an underscore (marshmallow's `_deserialize`, SQLAlchemy's `Row._mapping`) are not private and are used in place.
"""
