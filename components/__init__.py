"""Reusable component resources, a folder an area. They take narrow values and read neither configuration nor AWS."""
