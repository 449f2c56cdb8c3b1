"""What pods follow while they run: the DynamoDB tables of deployments and of API keys, and their replicas."""
