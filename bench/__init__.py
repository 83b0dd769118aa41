"""How fast it is, side by side with what a team would write itself, and with what the hardware allows."""
