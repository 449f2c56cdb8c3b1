"""A region's way in: the certificate, the load balancer with its listeners and target groups, and its Web ACL."""
