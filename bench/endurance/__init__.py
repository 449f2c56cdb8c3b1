"""The serving container over time and in trouble: long load, overload, stops, kills, a store that is away, starts."""
