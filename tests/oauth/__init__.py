"""The OAuth endpoints, called in process: each override, each trap of the libraries, and malformed input."""
