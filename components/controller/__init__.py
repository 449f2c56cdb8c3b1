"""The canary controller in the cluster: what it runs, may reach, and may do in AWS."""
