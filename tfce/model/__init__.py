"""What pilots and VMs are, and what happens to them. Pure: the standard library only."""
