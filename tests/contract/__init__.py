"""A file a part of the contract that no RFC says, over HTTP or through the command line of a live server."""
