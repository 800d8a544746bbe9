"""The protocol's face, called in process: each override, each trap of the library below it, and garbage."""
