"""What flows: frames, the containers they travel in, and the messages between nodes."""
