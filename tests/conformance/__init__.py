"""The official conformance suite and its friends against this server: `make conformance`."""
