"""The parts of the contract that no RFC defines, one file each, tested over HTTP or by commands on a live server."""
