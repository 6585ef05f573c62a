"""EC2, and clouds that speak its API."""
