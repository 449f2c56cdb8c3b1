"""What the service says of itself: an OpenAPI document that is true for the models in memory, and a page that shows it.

It reads other modules' names, types and limits, and answers no prediction.
"""
