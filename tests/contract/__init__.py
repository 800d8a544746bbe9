"""The parts of the contract that no RFC defines, a file each: over HTTP or by the commands of a live server."""
