"""The dashboards' panels over real pods: a small world to ask about, and pictures of what a reader would see."""
