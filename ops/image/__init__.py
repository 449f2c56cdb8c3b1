"""What the canary controller's image is made with: the build's trimming and check, and the engine's health command."""
