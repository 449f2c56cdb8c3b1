"""The record of what is deployed: the DynamoDB table `deployments` and its replica."""
