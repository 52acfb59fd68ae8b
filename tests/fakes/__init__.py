"""In-memory implementations of the ports, for tests of everything that is not a store."""
