"""Every private name of a library that we use, one library a file, each with the version it is bound to."""
