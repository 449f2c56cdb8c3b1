"""Names and document shapes that the infrastructure, the serving container and the operators' commands share.

Everything here is a plain constant or a pure function of strings, so that any side can import it
without pulling in Pulumi, AWS or a web server.
"""
