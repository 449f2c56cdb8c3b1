"""The network of one region: the VPC and its subnets, endpoints of AWS services, and security groups."""
