"""What is measured. Each function does one thing once and returns its figures."""
