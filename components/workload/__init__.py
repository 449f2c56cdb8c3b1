"""What runs in the cluster: fenced namespaces, and the serving workload that takes the load balancer's traffic."""
