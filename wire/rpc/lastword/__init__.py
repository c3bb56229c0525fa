"""What is made from the .proto, by `scripts/proto`."""
