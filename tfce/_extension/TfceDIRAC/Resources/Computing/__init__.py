"""Computing elements."""
