"""What people decide of a queue in git: its shape, read from there, compared, proposed, published."""
