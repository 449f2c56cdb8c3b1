"""Where container images lie: an ECR repository in each region, replicated from the primary."""
