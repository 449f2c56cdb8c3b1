"""Coverage-guided fuzzing of everything in the container that reads bytes of a client's, a model's or an operator's."""
