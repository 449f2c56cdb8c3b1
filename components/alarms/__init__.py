"""What AWS itself measures of the platform: alarms on it, who hears them, and the dashboard that shows it."""
