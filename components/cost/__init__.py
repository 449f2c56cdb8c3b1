"""What an environment may cost a month, and who hears of it before it costs more."""
