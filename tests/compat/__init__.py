"""The private names of libraries that app/compat uses still exist, in the versions that it is bound to."""
