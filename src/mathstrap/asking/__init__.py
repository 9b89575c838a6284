"""What the engine stands on: what waits, when a call may go, what it may cost, what came back."""
