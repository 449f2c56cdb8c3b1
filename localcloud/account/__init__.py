"""Resources of the program created in a moto server: one module for each AWS service."""
